"""The student as a site of static files, which answers in a browser with the network off."""
