"""`python -m ledger`: the operator's commands without the HTTP service."""

from ledger.cli import ledger_app

if __name__ == "__main__":
    ledger_app()()
