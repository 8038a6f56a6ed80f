"""A page: a whole report in one HTML file, without a script and without anything to fetch. Knows no single kind of figure.

The file is well-formed XML as well, so that other programs can take it apart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from nmt_cli.reports.palette import PAPER
from nmt_cli.reports.svg import FONTS, escape


class Figure(Protocol):
    """Whatever has a place in a section: a chart, a heat map, a table."""

    def html(self) -> str:
        """One ``figure`` element."""
        ...


@dataclass(frozen=True)
class Section:
    """A heading, what there is to say, and what there is to see.

    Attributes:
        title: the heading.
        paragraphs: plain text, one string a paragraph.
        figures: in order; those that are narrow enough stand side by side.
    """

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()

    def html(self) -> str:
        """One ``section`` element."""
        figures = "\n".join(figure.html() for figure in self.figures)
        shown = f'<div class="figures">\n{figures}\n</div>\n' if figures else ""
        return f"<section>\n<h2>{escape(self.title)}</h2>\n{_paragraphs(self.paragraphs)}{shown}</section>"


def page(title: str, intro: tuple[str, ...], sections: Iterable[Section]) -> str:
    """The whole file.

    Args:
        title: the heading, also of the window.
        intro: the paragraphs below it.
        sections: the rest.
    """
    body = "\n".join(section.html() for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<header>\n<h1>{escape(title)}</h1>\n{_paragraphs(intro)}</header>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>\n" for text in texts)


_STYLE = f"""
:root {{ color-scheme: light dark; --paper: {PAPER[0]}; --ink: #1f2328; --faint: #59616b; --rule: #d0d7de; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --paper: {PAPER[1]}; --ink: #e6e8eb; --faint: #a3abb5; --rule: #3d444d; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.55 {FONTS}; }}
main {{ max-width: 80rem; margin: 0 auto; padding: 1.5rem 1.5rem 4rem; }}
h1 {{ font-size: 1.9rem; line-height: 1.2; margin: 0.5rem 0 1rem; }}
h2 {{ font-size: 1.35rem; line-height: 1.25; margin: 2.5rem 0 0.75rem; padding-top: 1rem; border-top: 1px solid var(--rule); }}
h1, h2, p, caption, figcaption {{ overflow-wrap: anywhere; }}
p {{ max-width: 46rem; margin: 0 0 0.75rem; }}
.figures {{ display: flex; flex-wrap: wrap; gap: 1rem 1.25rem; align-items: flex-start; }}
figure {{ margin: 0.75rem 0 0; min-width: 0; max-width: 100%; }}
figure > div {{ overflow-x: auto; }}
figcaption {{ color: var(--faint); font-size: 0.95rem; line-height: 1.45; max-width: 46rem; margin-top: 0.4rem; }}
.chart figcaption, .map figcaption {{ margin-left: 1rem; }}
svg {{ display: block; }}
.chart {{ flex: 1 1 100%; max-width: 68rem; }}
.chart svg {{ width: 100%; height: auto; }}
.chart .narrow {{ display: none; }}
.map {{ flex: 0 1 auto; }}
.table {{ flex: 0 1 auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
caption {{ text-align: left; font-weight: 600; padding: 0 0 0.4rem; }}
th, td {{ text-align: right; padding: 0.35rem 0.9rem; border-bottom: 1px solid var(--rule); white-space: nowrap; }}
th:first-child, td:first-child {{ text-align: left; padding-left: 0; }}
thead th {{ color: var(--faint); font-weight: 600; vertical-align: bottom; }}
tbody th {{ font-weight: 400; }}
strong {{ font-weight: 700; }}
@media (max-width: 40rem) {{
  main {{ padding: 1rem 0.75rem 3rem; }}
  .chart .wide {{ display: none; }}
  .chart .narrow {{ display: block; }}
}}
@media print {{ section, figure {{ break-inside: avoid; }} }}
"""
