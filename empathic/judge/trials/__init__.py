"""Judges on trial: on replies that are worse by construction, and beside people's labels."""
