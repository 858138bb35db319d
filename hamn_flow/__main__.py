"""`python -m hamn_flow` is `hamn-flow`."""

from hamn_flow.cli.main import program

if __name__ == "__main__":
    program()
