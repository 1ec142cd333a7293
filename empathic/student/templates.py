"""A student's chat template, made to fit: it takes an instruction, doesn't think first, and begins as its texts do.

What a template lacks is put in front of the template itself. So training, evaluation, the file for the phone and every
app that reads it do the same, and none of them has to know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from empathic.errors import UserError
from empathic.student.prompt import Message, messages

_TOLD, _SAID, _REPLIED = "Be told of this.", "I say that.", "You reply so."
_SWITCHES = ("enable_thinking", "thinking")  # what templates call the switch of a model that may think first
_FOLD = (
    "{%- if messages[0]['role'] == 'system' and messages | length > 1 -%}"
    "{%- set messages = [{'role': 'user', 'content': messages[0]['content'] + '\\n\\n' + messages[1]['content']}]"
    " + messages[2:] -%}{%- endif %}"
)
# Tokens that llama.cpp stops at by their text, beside the one that the tokenizer calls the end of a text.
_ENDS: tuple[str, ...] = (
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
)
_ENDS += ("[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>", "<eos>", "<turn|>", "<|return|>")


def fit(tokenizer: Any, name: str) -> list[str]:
    """Change a tokenizer's template, and its tokens for padding and ends, as far as a student needs it.

    A template that needs nothing stays as it is, to the letter.

    Args:
        tokenizer: the student's; it is changed.
        name: what the student is called, for people.

    Returns:
        What was done, in words.

    Raises:
        UserError: there is no template, or one that nothing can be put in front of; says what it does.
    """
    tokenizer.chat_template = _only(tokenizer.chat_template)
    if not tokenizer.chat_template:
        raise UserError(f"student.template: {name} has no chat template; give one (plain, or a file)")
    done: list[str] = []
    alone: list[Message] = [{"role": "user", "content": _SAID}]
    try:
        plainly = shown(tokenizer, alone)
    except Exception as error:  # a template may raise what it likes
        raise _refusal(name, f"can't be filled in ({' '.join(str(error).split())[:120]})") from error
    if _SAID not in plainly:
        raise _refusal(name, "leaves out what a person says")
    for switch in _SWITCHES:
        if shown(tokenizer, alone, **{switch: False}) != shown(tokenizer, alone):
            _put_in_front(tokenizer, f"{{%- set {switch} = false %}}")
            done.append("thinking is off")
    if not _takes_instruction(tokenizer):
        _put_in_front(tokenizer, _FOLD)
        done.append("the instruction goes into the first message")
        if not _takes_instruction(tokenizer):
            raise _refusal(name, "leaves out the instruction")
    if _adds_bos(tokenizer) and not begins_with_bos(tokenizer):
        _put_in_front(tokenizer, "{{- bos_token }}")
        done.append(f"every prompt begins with {tokenizer.bos_token}")
    return done + _end(tokenizer, name)


def shown(tokenizer: Any, said: Sequence[Mapping[str, str]], reply_next: bool = True, **switches: Any) -> str:
    """A dialogue as the template shows it."""
    return str(tokenizer.apply_chat_template(list(said), tokenize=False, add_generation_prompt=reply_next, **switches))


def begins_with_bos(tokenizer: Any) -> bool:
    """Whether the template itself puts the token that begins a text."""
    return bool(tokenizer.bos_token) and shown(tokenizer, messages(_TOLD, _SAID)).startswith(tokenizer.bos_token)


def puts_blank(tokenizer: Any) -> bool:
    """Whether llama.cpp has to put a blank before what follows a token of SentencePiece's own, to read a prompt alike.

    transformers puts one always, at the beginning alone, or where there is none yet; llama.cpp always or never.
    """
    prompt = shown(tokenizer, messages(_TOLD, _SAID))
    own = {str(token): id for id, token in tokenizer.added_tokens_decoder.items()}
    model, read = tokenizer.backend_tokenizer.model, []
    for part in re.split(f"({'|'.join(map(re.escape, own))})", prompt):
        read += [own[part]] if part in own else [one.id for one in model.tokenize(part.replace(" ", "▁"))]
    return bool(read != tokenizer(prompt, add_special_tokens=False)["input_ids"])


def _only(template: str | Mapping[str, str] | None) -> str | None:
    """The template for plain talk, where a tokenizer has several."""
    return template if isinstance(template, str) or template is None else template.get("default")


def _put_in_front(tokenizer: Any, text: str) -> None:
    tokenizer.chat_template = text + tokenizer.chat_template


def _takes_instruction(tokenizer: Any) -> bool:
    try:
        found = shown(tokenizer, messages(_TOLD, _SAID))
    except Exception:  # as templates say that they don't know the role
        return False
    return _TOLD in found and _SAID in found


def _adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts a first token by itself; llama.cpp then does so before every prompt."""
    first = tokenizer.bos_token_id
    return first is not None and tokenizer("a")["input_ids"][:1] == [first]


def _end(tokenizer: Any, name: str) -> list[str]:
    """See to the token that ends a reply: that there is one, and that llama.cpp stops at it."""
    asked = messages(_TOLD, _SAID)
    opened = shown(tokenizer, asked)
    whole = shown(tokenizer, [*asked, {"role": "assistant", "content": _REPLIED}], reply_next=False)
    if not whole.startswith(opened):
        raise _refusal(name, f"shows a prompt otherwise once it has its reply (before it: {opened[-40:]!r})")
    opens, _, after = whole[len(opened) :].partition(_REPLIED)
    if opens.strip():
        raise _refusal(name, f"has {opens.strip()!r} before a reply, but not in a prompt (add_generation_prompt)")
    first = tokenizer(after.strip(), add_special_tokens=False)["input_ids"][:1]
    if not first or first[0] not in {*tokenizer.added_tokens_decoder, tokenizer.eos_token_id}:
        raise _refusal(name, "puts no token of its own after a reply, where the student should stop")
    end, done = str(tokenizer.convert_ids_to_tokens(first[0])), []
    if tokenizer.eos_token is None or end not in (tokenizer.eos_token, *_ENDS):
        if "eos_token" in tokenizer.chat_template:
            raise _refusal(name, f"ends replies with {end}, at which llama.cpp doesn't stop")
        tokenizer.eos_token = end
        done.append(f"{end} ends a text")
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return done


def _refusal(name: str, why: str) -> UserError:
    return UserError(f"student.template: the chat template of {name} {why}; give another (plain, or a file)")
