"""
GET /labels/{path}.svg: one label as a picture, whatever Digital Link it carries.

The picture holds the service's own address and the path as given, so that what is scanned is what was asked for.  Whether
the code is one that the farm committed to is not judged here: sheets of real labels are the farm's (producers/labels.py).

Source: GS1 Digital Link; producers/sheet.py.
"""

from fastapi import APIRouter, Response

from api.deps import Serving
from api.problems import HttpProblem
from producers.sheet import label_svg
from verify import gs1
from verify.errors import Malformed

router = APIRouter(tags=["labels"])


@router.get("/labels/{path:path}.svg")
def label(path: str, service: Serving) -> Response:
    """A QR code of the Digital Link."""
    text = f"{service.settings.base_url}/{path}"
    try:
        gs1.parse_label(text)
    except Malformed as error:
        raise HttpProblem("bad-identifier", error.message, where="path") from None
    headers = {"cache-control": "public, max-age=86400"}
    return Response(label_svg(text), 200, headers, "image/svg+xml")
