"""What an LLM would say: replies that were recorded with the dialogues."""
