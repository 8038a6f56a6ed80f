"""A table of a report: words in the first column, figures in the others. Knows not what they mean."""

from collections.abc import Iterator
from dataclasses import dataclass

from nmt_cli.console import aligned
from nmt_cli.reports import svg


@dataclass(frozen=True)
class Table:
    """Strings in rows and columns.

    Attributes:
        title: what stands above.
        columns: C headings.
        rows: R rows of C strings each.
        note: the caption below.
        best: (row, column) of every cell to be set in bold, counted from 0.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    best: frozenset[tuple[int, int]] = frozenset()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a row of a table must have a cell for each of its {len(self.columns)} columns, "
                    f"but {' | '.join(row)!r} has {len(row)}"
                )

    def lines(self) -> list[str]:
        """For a terminal."""
        return [self.title, *aligned([self.columns, *self.rows])]

    def html(self) -> str:
        """A ``figure`` in which the table scrolls where it is wider than the page."""
        head = "".join(f'<th scope="col">{svg.escape(name)}</th>' for name in self.columns)
        body = "\n".join(f"<tr>{''.join(self._cells(index))}</tr>" for index in range(len(self.rows)))
        caption = f"<figcaption>{svg.escape(self.note)}</figcaption>" if self.note else ""
        # whoever has no pointer needs the focus to scroll
        return (
            f'<figure class="table">\n<div tabindex="0"><table>\n<caption>{svg.escape(self.title)}</caption>\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>\n{caption}</figure>"
        )

    def _cells(self, row: int) -> Iterator[str]:
        for column, text in enumerate(self.rows[row]):
            written = svg.escape(text)
            if (row, column) in self.best:
                written = f"<strong>{written}</strong>"
            yield f"<td>{written}</td>" if column else f'<th scope="row">{written}</th>'
