#!/usr/bin/env python3
"""A preprocessor of mdBook: what links to a file outside docs/ becomes the name of that file.

The book has the pages of docs/ alone. A page that mentions `dist/vpid.service` or CONTRIBUTING.md links to it, which
works in the repository and in the release archive; in the book, its name says where it is there.
"""

import json
import re
import sys

LINK = re.compile(r"\[([^\]]*)\]\(\.\./([^)#\s]+)(?:#[^)]*)?\)")


def named(match: re.Match) -> str:
    text, path = match.group(1), match.group(2)
    return f"`{path}`" if text.strip("`") in path else f"{text} (`{path}`)"


def rewrite(items: list) -> None:
    for item in items:
        if "Chapter" in item:
            chapter = item["Chapter"]
            chapter["content"] = LINK.sub(named, chapter["content"])
            rewrite(chapter["sub_items"])


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        sys.exit(sys.argv[2:] != ["html"])
    _, book = json.load(sys.stdin)
    rewrite(book["items"] if "items" in book else book["sections"])
    json.dump(book, sys.stdout)


main()
