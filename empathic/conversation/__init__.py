"""Talking with a student: its prompt, the turns that its context holds, the reply as it comes; and serving that."""
