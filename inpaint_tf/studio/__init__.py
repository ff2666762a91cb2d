"""A page in the browser that fills photographs: paint over a thing, and it is gone.

A server of Starlette and uvicorn, for one person or a few. `inpaint-tf studio` starts it.
"""
