"""What people say: dialogues from several sources, and who learns from which of them."""

from empathic.dialogues.dialogue import Dialogue, Reply, Source

__all__ = ["Dialogue", "Reply", "Source"]
