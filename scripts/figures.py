"""Figures 8 to 11 of the paper: `inpaint-tf report figures`, from a checkout.

python scripts/figures.py compare runs/a runs/b --out figure-9.png
"""

from inpaint_tf.cli.main import main as run
from inpaint_tf.cli.report import figures as main

if __name__ == "__main__":
    run(main)
