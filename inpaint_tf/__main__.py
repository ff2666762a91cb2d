"""`python -m inpaint_tf` is `inpaint-tf`."""

from inpaint_tf.cli.main import main

if __name__ == "__main__":
    main()
