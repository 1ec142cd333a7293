"""Asking models: endpoints, one client for all of them, what it costs, and a ledger of every answer."""
