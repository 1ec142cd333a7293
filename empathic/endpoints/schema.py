"""The tables of a ledger's file, and how a file of the version before becomes one of ours."""

from __future__ import annotations

import sqlite3

VERSION = 3
_SCHEMA = """
create table if not exists prefixes (
    id integer primary key,
    hash blob not null unique,
    messages text not null
);
create table if not exists answers (
    key text primary key,
    model text not null,
    purpose text not null,
    request text not null,
    answer text not null,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    seconds real not null,
    attempts integer not null,
    cost real not null,
    at real not null,
    prefix integer references prefixes
) without rowid;
create index if not exists bill on answers (model, purpose, prompt_tokens, completion_tokens, cost);
create table if not exists wasted (
    id text,
    model text not null,
    purpose text not null,
    why text not null,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    cost real not null,
    at real not null
);
create table if not exists batched (
    id text primary key,
    batch text not null,
    model text not null,
    purpose text not null,
    answer text,
    error text,
    prompt_tokens integer not null default 0,
    completion_tokens integer not null default 0,
    cost real not null default 0
) without rowid;
"""
_FROM_2 = f"{_SCHEMA.split(';')[0]}; alter table answers add column prefix integer references prefixes;"


def set_up(db: sqlite3.Connection) -> int:
    """Make the tables of a new file, or add those that version 2 lacks; the file's version.

    It is one transaction, which a second process waits for. What a file of version 2 holds stays as it is.
    """
    db.execute("begin immediate")
    version = int(db.execute("pragma user_version").fetchone()[0])
    new = version == 0 and not db.execute("select 1 from sqlite_master").fetchone()
    if new or version == 2:
        for statement in (_SCHEMA if new else _FROM_2).split(";"):
            db.execute(statement)
        db.execute(f"pragma user_version = {(version := VERSION)}")
    db.execute("commit")
    return version
