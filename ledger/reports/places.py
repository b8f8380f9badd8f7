"""
Places: what a location description has to tell, and which members of a place's master data tell it.

    business name                  the registered name of its `holder`
    phone number                   phone
    physical location address      address, or geo in its stead
    city                           city
    State and zip code             region and postalCode; abroad, where one of them may not exist, either
    country                        country, ISO 3166 (two letters)

Not here: who describes a place (facts.py: whoever did so first).

Source: 21 CFR 1.1310, location description: "key contact information ..., specifically the business name, phone number,
physical location address (or geographic coordinates), and city, State, and zip code for domestic locations and comparable
information for foreign locations, including country".
"""

from collections.abc import Mapping, Sequence

MEMBERS = ("name", "address", "city", "region", "postalCode", "country", "phone")
UNDESCRIBED = ("location description",)
_DOMESTIC = ("US", "USA")


def gaps_of(told: Mapping[str, str]) -> Sequence[str]:
    """
    What is missing of a description, in words of fsma204_words.py; nothing where it is whole.

    `told` has a text, perhaps empty, for each of MEMBERS, `business` and `geo`.
    """
    at_home = told["country"].upper() in _DOMESTIC
    region, code = bool(told["region"]), bool(told["postalCode"])
    known = {
        "business name": told["business"], "phone number": told["phone"],
        "address or coordinates": told["address"] or told["geo"], "city": told["city"],
        "region and postal code": region and code if at_home else region or code, "country": told["country"],
    }  # fmt: skip
    return [words for words, value in known.items() if not value]
