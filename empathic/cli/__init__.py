"""The command line: it parses and prints, nothing else. The console script is `main.main`."""
