"""
Label sheets: item codes as QR pictures, one at a time or many on an A4 page.

Codes are level M with the quiet zone of four modules; at 0.4 mm a module a label of 70 characters is 16.4 mm wide, what
retail scanners and old phones still read.  Only ASCII is printed: lot and serial; names belong to the packaging.

Source: ISO/IEC 18004 (quiet zone); GS1 General Specifications, X-dimension 0.375 to 0.990 mm.
"""

import io
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

import qrcode
from qrcode.constants import ERROR_CORRECT_M

QUIET = 4  # modules on every side
MODULE_MM = 0.4
PAGE_MM = (210.0, 297.0)  # A4
COLUMNS, ROWS = 5, 10
LABELS_A_PAGE = COLUMNS * ROWS
_CELL_MM = (40.0, 28.0)
_MARGIN_MM = (5.0, 8.5)
_TEXT_MM = 2.2  # height of the printed text


def matrix(text: str) -> Sequence[Sequence[bool]]:
    """The modules of a code, quiet zone included; rows from the top, True is dark."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET)
    code.add_data(text)
    code.make(fit=True)
    rows: list[list[bool]] = code.get_matrix()
    return rows


def path_of(modules: Sequence[Sequence[bool]]) -> str:
    """The dark modules as one SVG path, a run of modules at a time, in units of modules."""
    runs = (f"M{x} {y}h{length}v1h-{length}z" for y, row in enumerate(modules) for x, length in _runs(row))
    return "".join(runs)


def label_svg(text: str) -> str:
    """One code as an SVG picture with its size in millimetres."""
    modules = matrix(text)
    width = len(modules) * MODULE_MM
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}mm" height="{width:.1f}mm" '
        f'viewBox="0 0 {len(modules)} {len(modules)}"><rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="{path_of(modules)}"/></svg>\n'
    )


def label_png(text: str, *, scale: int = 10) -> bytes:
    """One code as PNG, `scale` pixels a module."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET, box_size=scale)
    code.add_data(text)
    code.make(fit=True)
    data = io.BytesIO()
    code.make_image().save(data, format="PNG")
    return data.getvalue()


def page_svg(labels: Sequence[tuple[str, str]]) -> str:
    """
    One A4 page of at most LABELS_A_PAGE labels, each (what the code holds, what is printed under it).
    """
    if not 0 < len(labels) <= LABELS_A_PAGE:
        raise ValueError(f"1 to {LABELS_A_PAGE} labels a page")
    width, height = PAGE_MM
    cells = "".join(_cell(position, text, caption) for position, (text, caption) in enumerate(labels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}"><rect width="100%" height="100%" fill="#fff"/>{cells}</svg>\n'
    )


def _cell(position: int, text: str, caption: str) -> str:
    row, column = divmod(position, COLUMNS)
    modules = matrix(text)
    side = len(modules) * MODULE_MM
    left = _MARGIN_MM[0] + column * _CELL_MM[0] + (_CELL_MM[0] - side) / 2
    top = _MARGIN_MM[1] + row * _CELL_MM[1]
    middle, line = _MARGIN_MM[0] + (column + 0.5) * _CELL_MM[0], top + side + _TEXT_MM
    return (
        f'<path transform="translate({left:.2f} {top:.2f}) scale({MODULE_MM})" d="{path_of(modules)}"/>'
        f'<text x="{middle:.2f}" y="{line:.2f}" font-family="monospace" font-size="{_TEXT_MM}" '
        f'text-anchor="middle">{escape(caption)}</text>'
    )


def _runs(row: Sequence[bool]) -> Iterator[tuple[int, int]]:
    start = None
    for x, dark in enumerate([*row, False]):
        if dark and start is None:
            start = x
        elif not dark and start is not None:
            yield start, x - start
            start = None
