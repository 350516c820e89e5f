"""Writes a small byte-pair vocabulary and what the original tokenizer makes of texts with it.

vocab.json, merges.txt: 300 merges learnt from the corpus below, in CLIP's layout (256 bytes, 256
bytes that end a word, merges, two special tokens). texts.json: texts and their ids for a context
of 24, by SimpleTokenizer of open_clip (the original's code with ftfy 6.3.1, regex 2026.11.15, CPython
3.11): python make_tokenizer.py in this folder. With `--large COUNT SEED FILE` it writes the ids of
COUNT random texts with the full vocabulary that open_clip carries.
"""

import collections
import gzip
import importlib.util
import json
import random
import sys
import tempfile

spec = importlib.util.find_spec("open_clip")
source = importlib.util.spec_from_file_location(
    "open_clip_tokenizer", spec.submodule_search_locations[0] + "/tokenizer.py")
open_clip = importlib.util.module_from_spec(source)
source.loader.exec_module(open_clip)

CORPUS = """
a photo of a traffic light next to the road. a photo of the person riding a bicycle on the street.
there is a car parked in front of the building, and a dog that sits on the sidewalk. the sky is blue
and the trees are green in the park. a bright photo of many people walking across the bridge. a close-up
photo of the cat's eyes. it's raining and they're waiting at the station; we've seen the train that'll
arrive at ten. a café near the river serves coffee, and naïve travellers don't find it. the children
are playing football on the grass, the mountains stand behind the house, a small boat lies on the water.
a photo of a refrigerator, a television, a dining table, a potted plant and a teddy bear. running,
jumping, standing, sitting, eating, drinking: things that persons do. information about the weather is
shown on the screen above the counter. 2024 was the year, 1999 the other. zebra, giraffe, elephant.
"""

TEXTS = [
    "", " ", "a", "A photo of a traffic light.", "a photo of the person riding a bicycle",
    "Traffic  LIGHT\t\n  road", "it's they're we've that'll I'd don't I'm", "IT'S THEY'RE", "''s 'x -'s",
    "2024 was 1999", "3.14159", "½ ² Ⅳ ٣ 五", "café naïve", "cafe\u0301 nai\u0308ve", "ÀÉÎÕÜ àéîõü",
    "Straße ẞ", "İstanbul ıI", "ΣΊΣΥΦΟΣ ΑΣ Σ", "ſ 'ſ", "日本語の車", "自行车和红绿灯", "신호등", "حافلة حمراء",
    "дорога и небо", "नमस्ते दुनिया", "ไฟจราจร", "🚗🚦 car", "👨‍👩‍👧‍👦 family", "🇩🇪 flag", "a\u200db zero\u200bwidth",
    "dog &amp; cat", "dog &amp;amp; cat", "&lt;dog&gt;", "&eacute;t&eacute; &EACUTE;", "&#233; &#xe9; &#128; &#0;",
    "&copy 2024 &notit; &not; &nosuch;", "<b>bold &amp; more</b>", "AT&T R&D", "&#x1F697; &hellip;",
    "\u201cquoted\u201d \u2018single\u2019 \u201alow\u201b", "ﬁne ﬂuﬀy oﬃce ĳs ŉ", "ＦＵＬＬ　ｗｉｄｔｈ ﾀｰﾝ ｶﾞ", "a\x00b\x07c\x1bd\x7fe",
    "\x1b[31mred\x1b[0m text", "\ufeffbyte order", "line\r\nbreak\u2028and\u2029more\x85end", "non\u00a0breaking\u3000space",
    "e\u0323\u0302 \u1ec7", "\u212b ångström \u2126", "<start_of_text> inside <end_of_text>", "<START_OF_TEXT>", "x<end_of_text>y",
    "under_score snake_case-kebab", "a,b;c:d!e?f", "((([[[{{{", "....... ---- ====", "C++ C# F#", "50% off $9.99",
    "http://example.com/a?b=c&d=e", "a photo of " * 30, "refrigerator" * 12, "supercalifragilisticexpialidocious",
    "x" * 200, "\U0001d400\U0001d401 \U00020000", "\u0301 leading mark", "Ǆ ǅ ǆ", "ª º ʰ ǃ", "_", "&", "&;", "&#;", "&#x;",
]


def learn(count):
    """Merges of the corpus, the most frequent pair first."""
    encoder = open_clip.bytes_to_unicode()
    words = collections.Counter()
    for word in CORPUS.lower().replace(",", " ,").replace(".", " .").split():
        spelled = [encoder[b] for b in word.encode()]
        words[tuple(spelled[:-1] + [spelled[-1] + "</w>"])] += 1
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, times in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += times
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for word, times in words.items():
            out, at = [], 0
            while at < len(word):
                if word[at:at + 2] == best:
                    out.append("".join(best))
                    at += 2
                else:
                    out.append(word[at])
                    at += 1
            merged[tuple(out)] += times
        words = merged
    return merges


def small():
    merges = learn(300)
    with tempfile.NamedTemporaryFile(suffix=".gz") as file:
        text = "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges)
        file.write(gzip.compress(text.encode()))
        file.flush()
        tokenizer = open_clip.SimpleTokenizer(file.name, context_length=24)
    with open("merges.txt", "w") as out:
        out.write(text + "\n")
    with open("vocab.json", "w") as out:
        json.dump(tokenizer.encoder, out, ensure_ascii=False, separators=(",", ":"))
    with open("texts.json", "w") as out:
        json.dump([{"text": t, "tokens": tokenizer(t)[0].tolist()} for t in TEXTS], out, separators=(",", ":"))


def large(count, seed, path):
    draw = random.Random(seed)
    pieces = CORPUS.split() + [" ".join(t.split())[:40] for t in TEXTS]
    ranges = [(0x20, 0x7e)] * 8 + [
        (0xa0, 0x24f), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x4ff), (0x590, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f),
        (0x1e00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x218f), (0x2190, 0x27bf), (0x3000, 0x30ff), (0x4e00, 0x9fff),
        (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfb00, 0xfdff), (0xfe00, 0xffef), (0x10000, 0x1ffff), (0, 0x9f)]
    tokenizer = open_clip.SimpleTokenizer()
    out = []
    for _ in range(count):
        text = ""
        for _ in range(draw.randint(1, 8)):
            if draw.random() < 0.5:
                text += draw.choice(["", " "]) + draw.choice(pieces)
            else:
                low, high = draw.choice(ranges)
                text += "".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 6)))
            text += draw.choice(["", " ", "&", "'", "-"])
        out.append({"text": text, "tokens": tokenizer(text)[0].tolist(),
                    "fixed": open_clip.ftfy.fix_text(text) == open_clip.ftfy.fix_text(text, fix_encoding=False)})
    with open(path, "w") as file:
        json.dump({"merges": [list(m) for m in tokenizer.bpe_ranks], "vocabulary": list(tokenizer.encoder), "texts": out}, file)


if sys.argv[1:2] == ["--large"]:
    large(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
else:
    small()
