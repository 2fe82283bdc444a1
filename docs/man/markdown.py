# SPDX-License-Identifier: Apache-2.0
"""The Markdown that our pages are written in, as man(7): headings, paragraphs, lists, code, tables."""

import re


def roff(text: str) -> str:
    """Plain words; nothing in them is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def inline(text: str) -> str:
    """`code` and **strong** become bold, *emphasis* italic; of links the words stay."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    pieces = re.split(r"(``.+?``|`[^`]+`|\*\*[^*]+\*\*|(?<![\w*])\*[^*\s][^*]*\*(?![\w*]))", text)
    out = []
    for piece in pieces:
        if piece.startswith("`"):
            out.append(f"\\fB{roff_inside(piece.strip('`').strip())}\\fR")
        elif piece.startswith("**"):
            out.append(f"\\fB{roff_inside(piece[2:-2])}\\fR")
        elif len(piece) > 2 and piece.startswith("*") and piece.endswith("*"):
            out.append(f"\\fI{roff_inside(piece[1:-1])}\\fR")
        else:
            out.append(roff_inside(re.sub(r"\\([|*_`])", r"\1", piece)))
    return re.sub(r"^([.'])", r"\\&\1", "".join(out))


def roff_inside(text: str) -> str:
    return text.replace("\\|", "|").replace("\\", "\\e").replace("-", "\\-")


def literal(lines: list[str]) -> list[str]:
    return [".PP", ".RS 2", ".nf", *(roff(line) if line.strip() else "" for line in lines), ".fi", ".RE"]


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


LABELLED_BY_PLACE = {"meaning", "what", "is", "mean", ""}


def table(lines: list[str]) -> list[str]:
    """A tagged paragraph for each row: what stands in the first column, then the others with what heads them."""
    heads, out = cells_of(lines[0]), []
    for line in lines[2:]:
        cells = cells_of(line)
        tag, rest, default = cells[0], [], []
        for head, cell in zip(heads[1:], cells[1:]):
            if not cell:
                continue
            if head.lower() == "default":
                default = [f"Default: {inline(cell)}."]
            elif head.lower() in LABELLED_BY_PLACE or len(heads) == 2:
                rest.append(inline(cell))
            else:
                rest.append(f"{inline(head)}: {inline(cell)}")
        out += [".TP 4", inline(tag) or "\\&", *("\n.br\n".join(rest + default) or "\\&").split("\n")]
    return out


def to_man(text: str, top: int = 2) -> list[str]:
    """`top`: the level of heading that is a section."""
    out: list[str] = []
    lines = text.split("\n")
    i = 0

    def block(belongs) -> list[str]:
        nonlocal i
        begin = i
        while i < len(lines) and belongs(lines[i]):
            i += 1
        return lines[begin:i]

    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif heading := re.match(r"(#+) (.*)", line):
            level, words = len(heading[1]), inline(heading[2])
            out.append(f".SH {words.upper() if chr(92) not in words else words}" if level <= top else f".SS {words}")
            i += 1
        elif line.startswith("```"):
            i += 1
            out += literal(block(lambda one: not one.startswith("```")))
            i += 1
        elif line.startswith("    "):
            code = block(lambda one: one.startswith("    ") or not one.strip())
            while not code[-1].strip():
                code.pop()
            out += literal([one[4:] for one in code])
        elif line.startswith("|"):
            out += table(block(lambda one: one.startswith("|")))
        elif re.match(r"(- |\d+\. )", line):
            mark, first = re.match(r"(- |\d+\. )(.*)", line).groups()
            i += 1
            more = block(lambda one: one.startswith("  ") and bool(one.strip()))
            bullet = "\\(bu" if mark == "- " else mark.strip()
            out += [f".IP {bullet} 4", inline(" ".join([first, *(one.strip() for one in more)]))]
        else:
            words = block(lambda one: one.strip() and not re.match(r"#|```|\||- |\d+\. ", one))
            out += [".PP", inline(" ".join(one.strip() for one in words))]
    return out
