"""The stages of a run, in their order."""

from __future__ import annotations

from empathic.pipeline.stages import corpus, dialogues, judge, phone, replies, report, teacher, training

STAGES = (
    dialogues.STAGE,
    teacher.STAGE,
    corpus.STAGE,
    training.SFT,
    training.DPO,
    phone.STAGE,
    replies.STAGE,
    judge.STAGE,
    report.STAGE,
)
NAMES = tuple(stage.name for stage in STAGES)
