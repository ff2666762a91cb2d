"""Table II of the paper: `inpaint-tf report table2`, from a checkout.

python scripts/reproduce_table2.py --row CA-Animals-Hole=runs/ca-animals-hole
"""

from inpaint_tf.cli.main import main as run
from inpaint_tf.cli.report import table2 as main

if __name__ == "__main__":
    run(main)
