# SPDX-License-Identifier: Apache-2.0
"""Keeps retired words out of names, comments, messages and documentation.

Usage: words.py ROOT [--all | --list FOLDER]. The field has standard terms; WORDS has the
words that are not used here, with their replacements. Also: file-local functions are not
called just `run`, and a struct tag has one definition in src and cl. --all prints the
number of complaints per folder, --list those of one folder. Planted lines prove every
rule."""

import collections
import io
import pathlib
import re
import sys
import tokenize

C = {".c", ".h", ".cl", ".def"}
TEXT = C | {".py", ".sh", ".build", ".md", ".txt", ""}
TOPS = ("include", "src", "cl", "tools", "tests", "docs", "benchmarks", ".ci")

# Folders that are still to be rewritten.
PENDING = []
# Structs that each backend defines for itself behind the backend interface.
OPAQUE = {"weft_mem", "weft_command_list"}
# This table; and data whose words are not ours.
EXEMPT = {"tests/style/words.py", "LICENSE"}

ANYWHERE, PROSE = "names and prose", "prose"
# Word (a pattern without its boundaries), replacement, where, a line that has it.
WORDS = [
    ("pictures?", "image", ANYWHERE, "weft_picture_fit();"),
    ("seams?", "backend interface", ANYWHERE, "/* Above the seam. */"),
    ("doors?", "public API", ANYWHERE, "/* The door alone. */"),
    ("houses?", "project, architecture", ANYWHERE, "/* Tests of the house. */"),
    ("rooms", "modules", PROSE, "/* Two rooms. */"),
    ("truths?", "reference, true class", ANYWHERE, "/* It is the truth. */"),
    ("zoos?", "driver matrix", ANYWHERE, "int zoo_size;"),
    ("peers?", "baseline", ANYWHERE, "struct peer *peers;"),
    ("curated", "bundled", ANYWHERE, "ocl_curated_of();"),
    ("verdicts?", "weft_verify_case, result", ANYWHERE, "struct weft_verdict v;"),
    ("(?<!data.)rac(?:es?|ed|ing)(?! condition)", "A/B timing, compare", ANYWHERE,
     "weft_race_decided();"),
    ("gate[sd]?|gating", "activation gradient, act_grad", ANYWHERE, "bool gated;"),
    ("stamps?|stamped", "fingerprint", ANYWHERE, "uint64_t stamp;"),
    ("deal[st]?(?! with)|dealt(?! with)", "distribute, partition", ANYWHERE,
     "/* Rows are dealt evenly. */"),
    ("tally|tallies", "epoch metrics", ANYWHERE, "struct weft_tally t;"),
    ("hunts?|rivals?|losers?|revive", "search, candidate, discarded, restart", ANYWHERE,
     "struct hunt h;"),
    ("dialects?", "subgroup_ext", ANYWHERE, "int dialect;"),
    ("unite[sd]?", "bundle", ANYWHERE, "ocl_unite();"),
    ("certificates?", "--json, result file", ANYWHERE, "char *certificate;"),
    ("TURNED", "ROTATED_180, TRANS_A", ANYWHERE, "#define A_TURNED 1"),
    ("ARRANGED", "PACKED_WEIGHTS", ANYWHERE, "#define ARRANGED 1"),
    ("tell|tells|told|telling", "print, report, return, distinguish", ANYWHERE,
     "/* Tells the speed. */"),
    ("says? so", "reports it, a test enforces it", PROSE, "/* and a test says so */"),
    ("wants?|wanted", "needs, expects, requires, requested", PROSE, "/* nobody wants it */"),
    ("mend|mends|mended|mending", "fix", ANYWHERE, "char *mend;"),
    ("lies?|lying", "is stored, is", PROSE, "/* where it lies in memory */"),
    ("nobody|whoever|somebody", "none, not needed, the caller", PROSE, "/* Nobody reads it. */"),
    ("for people", "human-readable", PROSE, "/* a text for people */"),
    ("(?:go|goes|going|went) on", "continue, resume", PROSE, "/* it goes on from there */"),
    ("so many", "a number of, N", PROSE, "/* so many shapes */"),
    ("judg(?:es?|ed|ement)", "decide, estimate", PROSE, "/* auto judges float16 */"),
    ("talkative|beware", "verbose, note that", PROSE, "/* the most talkative level */"),
    ("(?:in|by) turns", "interleaved, alternately", PROSE, "/* timed in turns */"),
    ("at hand", "available", PROSE, "/* no GPU was at hand */"),
    ("anew", "again", PROSE, "/* parsed anew */"),
    ("keeps? the account", "accumulates the metrics", PROSE, "/* and keeps the account */"),
    ("otherwise than", "different from", PROSE, "/* otherwise than asked */"),
]


def literal(word):
    """Letters that each text with the word has, to search for first, which is faster."""
    letters = re.match("[A-Za-z]*", "" if "|" in word else word).group()
    return (letters[:-1] if word[len(letters):len(letters) + 1] in ("?", "*", "{") else letters).lower()


RULES = [(re.compile(r"(?<![A-Za-z])(?:%s)(?![A-Za-z])" % word.replace(" ", r"\s+"),
                     0 if word.isupper() else re.I), word, instead, where, literal(word))
         for word, instead, where, _ in WORDS]
# A comment that begins with one of these has a noun phrase hidden behind it.
FRAGMENT = re.compile(r'(?:/\*|^\s*#|""")\s*(Whether|What|How|Of)\b(?![^.?]*\?)', re.M)
LOCAL_RUN = re.compile(r"^static [\w *]*?\brun\(", re.M)
STRUCT = re.compile(r"^(?:typedef )?struct (\w+)\s*\{", re.M)


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


def prose_of_c(text):
    """Comments and strings; everything else is blank."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"'
    out, at = [], 0
    for match in re.finditer(pattern, text, re.S):
        out += [re.sub(r"[^\n]", " ", text[at:match.start()]), match.group()]
        at = match.end()
    return "".join(out) + re.sub(r"[^\n]", " ", text[at:])


def prose_of_python(text):
    lines = [""] * (text.count("\n") + 2)
    kinds = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1)}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in kinds:
            for i, line in enumerate(token.string.split("\n")):
                lines[token.start[0] - 1 + i] += " " + re.sub(r"\{[^{}]*\}", "", line)
    return "\n".join(lines)


def prose_of(name, text):
    """Comments, messages and documentation, without the names between backquotes."""
    suffix = pathlib.PurePath(name).suffix
    if suffix in C:
        text = prose_of_c(text)
    elif suffix == ".py" or text.startswith("#!/usr/bin/env python3"):
        text = prose_of_python(text)
    return re.sub(r"`[^`\n]*`", blank, text)


def joined(text):
    """The text with blanks for line breaks inside comments, of the same length."""
    return re.sub(r"\n(\s*)(\*(?!/)|#)?", lambda m: " " * len(m.group()), text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def complaints(name, text):
    prose = prose_of(name, text)
    flat = joined(prose)
    lower = text.lower()
    for rule, _, instead, where, letters in RULES:
        if letters not in lower:
            continue
        source = text if where == ANYWHERE else flat
        lines = text if where == ANYWHERE else prose
        for match in rule.finditer(source):
            yield (f"{name}:{line_of(lines, match.start())}: retired: "
                   f"{match.group()!r}; instead: {instead}")
    for match in FRAGMENT.finditer(prose):
        yield (f"{name}:{line_of(prose, match.start(1))}: a comment begins with "
               f"{match.group(1)!r}; instead: the noun first, or a verb")
    if pathlib.PurePath(name).suffix in C:
        for match in LOCAL_RUN.finditer(text):
            yield f"{name}:{line_of(text, match.start())}: a function called just `run`; instead: a verb with its object"


def struct_complaints(texts):
    """Struct tags with several definitions in src and cl."""
    places = collections.defaultdict(list)
    for name, text in texts.items():
        if name.startswith(("src/", "cl/")) and pathlib.PurePath(name).suffix in C:
            for match in STRUCT.finditer(text):
                places[match.group(1)].append(f"{name}:{line_of(text, match.start())}")
    for tag in sorted(places.keys() - OPAQUE):
        found = places[tag]
        for place in found[1:]:
            yield f"{place}: struct {tag} is defined in {found[0]} too"


def all_complaints(texts):
    found = [c for name, text in texts.items() for c in complaints(name, text)]
    return found + list(struct_complaints(texts))


def read(root):
    paths = [p for top in TOPS for p in sorted((root / top).rglob("*"))] + sorted(root.glob("*.*"))
    return {
        str(p.relative_to(root)): p.read_text()
        for p in paths
        if p.is_file() and p.suffix in TEXT and "__pycache__" not in p.parts
        and not p.name.startswith(".") and str(p.relative_to(root)) not in EXEMPT
    }


def folder_of(complaint):
    return str(pathlib.PurePath(complaint.split(":")[0]).parent)


def is_pending(complaint):
    return any(complaint.startswith(folder + "/") for folder in PENDING)


PLANTED = [
    ("src/a.c", "/* What becomes of sums. */\n"),
    ("src/a.c", "/* Of each part. */\n"),
    ("tests/a.py", "# Whether it is right.\n"),
    ("tests/a.py", '"""How rows are shared."""\n'),
    ("src/a.c", "/* there are so\n * many of them */\n"),
    ("tests/a.py", 'print("the driver\\\'s mend")\n'),
    ("docs/a.md", "The device goes on.\n"),
    ("src/a.c", "static enum weft_status run(struct weft_node *node)\n"),
]
LEGITIMATE = """/* A data race; dealing with it takes time; room for 8; ftell(file); timestamp. */
/* How do rows arrive? In order. */
int wanted = has_trace; /* aggregate, surrogate, as in `want` */
struct only_one { int x; };
"""


def prove():
    planted = PLANTED + [("src/a.c", line + "\n") for _, _, _, line in WORDS]
    for name, text in planted:
        if not list(complaints(name, text)):
            sys.exit(f"the test itself is broken: this passed as {name}:\n{text}")
    for rule, word, *_ in RULES:
        if not any(rule.search(text) for _, text in planted):
            sys.exit(f"the test itself is broken: nothing planted for {word}")
    twice = {"src/a.c": "struct part {\n};\n", "cl/b.h": "typedef struct part {\n} part;\n"}
    if not list(struct_complaints(twice)):
        sys.exit("the test itself is broken: two definitions of a struct passed")
    found = all_complaints({"src/a.c": LEGITIMATE})
    if found:
        sys.exit(f"the test itself is broken: {found}")
    return len(planted) + 1


def main(root, *options):
    planted = prove()
    found = all_complaints(read(root))
    if options and options[0] == "--all":
        for folder, count in sorted(collections.Counter(map(folder_of, found)).items()):
            print(f"{count:5} {folder}")
    elif options:
        found = [c for c in found if c.startswith(options[1])]
        print("\n".join(found))
    else:
        found = [c for c in found if not is_pending(c)]
        print("\n".join(found))
    print(f"{len(found)} complaints; {planted} planted ones found")
    sys.exit(1 if found else 0)


main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
