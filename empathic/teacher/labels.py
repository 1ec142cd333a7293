"""The words around a reply by which a teacher names it: labels, preambles and afterwords, in many languages."""

from __future__ import annotations

import re

_REPLY = (  # what a reply is called, with the words of a language that may stand before and after
    (
        r"(?:(?:the|my|a|an|your)\s+)?"
        r"(?:(?:new|improved|better|revised|rewritten|final|more|empathetic|empathic|direct|suggested|possible|enhanced|"
        r"updated|rephrased|refined|compassionate|affective|cognitive),?\s+)*",
        "reply|response|answer|version|rewrite|assistant|revision|revised|rewritten|improved|draft|output",
        "",
    ),
    (
        r"(?:(?:die|eine|meine|neue|verbesserte|bessere|überarbeitete|empathische(?:re)?|mögliche)\s+)*",
        "antwort|erwiderung|fassung",
        "",
    ),
    (
        r"(?:(?:la|ma|une|nouvelle|meilleure|version)\s+)*",
        "réponse|réplique|version",
        r"(?:\s+(?:améliorée|révisée|plus|empathique|de|la|réponse))*",
    ),
    (
        r"(?:(?:la|mi|una|nueva|mejor)\s+)*",
        "respuesta|contestación|versión",
        r"(?:\s+(?:mejorada|revisada|nueva|más|empática))*",
    ),
    (
        r"(?:(?:a|minha|uma|nova|melhor)\s+)*",
        "resposta|versão",
        r"(?:\s+(?:melhorada|aprimorada|revisada|nova|mais|empática))*",
    ),
    (
        r"(?:(?:la|mia|una|nuova|migliore)\s+)*",
        "risposta|versione",
        r"(?:\s+(?:migliorata|rivista|nuova|più|empatica))*",
    ),
    (r"(?:(?:мой|новый|лучший|улучшенный|исправленный|более|эмпатичный)\s+)*", "ответ|вариант", ""),
    (r"(?:(?:het|een|mijn|nieuwe?|betere?|verbeterde?)\s+)*", "antwoord|reactie", ""),
    (r"(?:(?:nowa|moja|lepsza|poprawiona|ulepszona)\s+)*", "odpowiedź", ""),
    (r"(?:(?:mitt|ett|nytt|bättre|förbättrat)\s+)*", "svar", ""),
    (r"(?:(?:yeni|daha|iyi|geliştirilmiş|iyileştirilmiş)\s+)*", "cevap|yanıt", ""),  # noqa: RUF001
    (
        "(?:(?:改进|改善|优化|更好|修改|新|更有同理心|我|最终)(?:后|过)?的?|より良い|改善された|新しい)*",
        "回复|回答|回覆|答复|返信|返答|返事|応答",
        "",
    ),
    (r"(?:(?:개선된|새로운|더|나은)\s*)*", "답변|대답|답장|응답", ""),
    ("", "الرد|رد|الإجابة|إجابة|الجواب", r"(?:\s+(?:المحسن|المحسّن|المحسنة|الجديد|محسن))*"),
    ("", "jawaban|balasan|tanggapan|respons", r"(?:\s+(?:yang|lebih|baik|baru|diperbaiki|empatik))*"),
    (r"(?:(?:बेहतर|नया|सुधरा|हुआ|मेरा|बेहतर)\s+)*", "उत्तर|जवाब", ""),
    (r"(?:(?:উন্নত|নতুন|আরও|ভালো|আমার)\s+)*", "উত্তর|জবাব", ""),
    (r"(?:(?:بہتر|نیا|میرا)\s+)*", "جواب", ""),
)
_NAMED = "|".join(f"(?:{before}(?:{called}){after})" for before, called, after in _REPLY)
_CALLED = "|".join(called for _, called, _ in _REPLY)
LABEL = re.compile(
    rf"\A(?P<open>[\[【(]?)(?P<bold>[*_]{{0,3}})(?:{_NAMED})(?:\s\([^()\n]{{1,40}}\))?"
    r"(?:(?P=bold)[\]】)]?\s*[:：]|[\]】)]?\s*[:：](?P=bold)|(?P=bold)[\]】)]?[^\S\n]*\n)\s*",  # noqa: RUF001
    re.I,
)  # before a colon, or on a line of its own
LEFT = re.compile(  # one that stands where it can't be told what is the reply: in a turn that goes on, between two
    rf"(?:\A|[.!?…。！？][\"”»)*]*\s)[*_]{{0,3}}(?:(?:original|old|first|second)\s+)?(?:{_NAMED}"  # noqa: RUF001
    r"|user|human|speaker|listener|supporter|therapist|counsell?or|ai|bot|chatbot|message|situation|dimension)"
    r"(?:\s\([^()]{1,40}\))?[*_]{0,3}\s?[:：]",  # noqa: RUF001
    re.I,
)
_AGREES = r"(?:sure(?: thing)?|certainly|of course|absolutely|ok(?:ay)?|gladly)"
_SHOWS = r"here(?:['’]s| is| are)|below is|i(?:['’]ve| have) (?:re\w+|improved|made)"  # noqa: RUF001
_SHOWN = (
    "reply|response|answer|version|rewrite|as follows|it is|you (?:go|are)|revis(?:ed|ion)|improve\\w*|re(?:written|"
    "phrased|worded)|attempt|draft|take|try|one|message|suggestion"
)
_ABROAD = (  # how a teacher shows its reply in other languages, after a word or two that agree
    "hier (?:ist|sind|kommt)|voici|voilà|aquí (?:tienes|está|va)|esta es|aqui est[áa]|esta é|ecco|questa è|вот|hier is|"
    "oto|här är|işte|以下是|这是|以下は|こちらが|다음은|여기|إليك|هذا هو|berikut(?: adalah| ini)?|ini |यह है|यहाँ है|এখানে|"
    "এই হলো|یہ ہے|یہاں ہے"
)
_QUOTED = '(?=["“«„「『].*["”»“」』]\\Z)'
PREAMBLE = re.compile(
    rf"\A{_AGREES}[!.]?[^\S\n]*\n\s*"
    rf"|\A{_AGREES}\W*[:：]\s*(?:\n\s*|\Z|{_QUOTED})"  # noqa: RUF001
    rf"|\A(?:{_AGREES}|{_SHOWS}|let me)\b[^\n]*\b(?:{_SHOWN})\b[^\n]*[:：][*_]*[^\S\n]*\n\s*"  # noqa: RUF001
    rf"|\A(?:{_AGREES}\b[^\n:：]{{0,20}})?\b(?:{_SHOWS})\b[^.!?:：\n]{{0,60}}"  # noqa: RUF001
    r"\b(?:reply|response|answer|version|rewrite|draft)\b[^.!?:：\n]{0,60}[:：]\s*"  # noqa: RUF001
    rf"|\A(?:{_AGREES}[!.,]?\s+)?(?:here(?:['’]s| is)|below is) (?:the|an?|my)\b[^.!?:\n]{{0,40}}"  # noqa: RUF001
    r"\b(?:reply|response|version|rewrite)[.!]?[^\S\n]*\n\s*"
    rf"|\A(?:{_AGREES}\b[^\n:：]{{0,20}})?\b(?:here it is|here you (?:go|are)|i(?:['’]ve| have) re\w+ it as follows)"  # noqa: RUF001
    r"[:：]\s*"  # noqa: RUF001
    rf"|\A(?:[^\W\d_]+(?: [^\W\d_]+)?[!！.。,，]\s*)?(?:{_ABROAD})[^.!?:：。\n]{{0,40}}"  # noqa: RUF001
    rf"(?:{_CALLED})[^.!?:：。\n]{{0,40}}[:：]\s*",  # noqa: RUF001
    re.I | re.S,
)
AFTERWORD = re.compile(
    r"\n\s*[-*_#>(\[•\s]*(?:(?:notes?(?: (?:on|about)\b[^\n:]*)?|(?:explanation|rationale|word count)\b[^\n:]*|"
    r"(?:empathy )?dimension|changes?(?: (?:i|made|in)\b[^\n:]*)?|(?:key )?improvements?(?: made)?|"
    r"why(?: (?:this|it|that|i)\b[^\n:,;?]*)?)(?:\s\([^()\n]*\))?[*_]*\s?[:：]"  # noqa: RUF001
    r"|\(?(?:this|the) (?:new |improved |revised )?(?:reply|response|version)\b(?! (?:from|of|to|you)\b)"
    r"|i (?:improved|added|kept|made|focused)\b|\(\d+ words\)|words?\s?:\s?\d).*"
    r"|\s\(\d+ words\)\s*\Z",
    re.I | re.S,
)
