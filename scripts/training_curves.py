"""Figures 6 and 7 of the paper: `inpaint-tf report curves`, from a checkout.

python scripts/training_curves.py runs/a runs/b --out figure-7.png
"""

from inpaint_tf.cli.main import main as run
from inpaint_tf.cli.report import curves as main

if __name__ == "__main__":
    run(main)
