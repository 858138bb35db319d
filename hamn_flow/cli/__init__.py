"""The command line: it parses, calls, prints, and ends with the exit status of errors.py."""
