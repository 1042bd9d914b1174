"""Readable titles from the till's upper-case abbreviations: type, size and store brand. Pure; knows no Django.

product_types.csv, written by hand, names every type the demo keeps. Its `named_by` is "category" where the type alone
says too little ("PREMIUM" is ice cream, bacon or pasta sauce): those titles needed the category, and the evaluation can
leave them out.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TYPES_FILE = Path(__file__).with_name("product_types.csv")

# For types that product_types.csv does not name, so that a lower purchase threshold still reads well.
ABBREVIATIONS_FILE = Path(__file__).with_name("abbreviations.csv")

UNITS = {
    "OZ": "oz",
    "OZS": "oz",
    "LB": "lb",
    "LBS": "lb",
    "CT": "count",
    "GA": "gal",
    "GAL": "gal",
    "QT": "qt",
    "PT": "pt",
    "L": "L",
    "LT": "L",
    "ML": "ml",
    "FT": "ft",
    "SQ FT": "sq ft",
    "PK": "pack",
    "DZ": "dozen",
    "DOZ": "dozen",
    "LOAD": "loads",
    "LD": "loads",
    "PC": "pieces",
    "STEM": "stems",
}

_FRACTION = r"[1357]/[248]"
_NUMBER = rf"(?:\d+ {_FRACTION}|{_FRACTION}|\d*\.\d+|\d+)"
_MEASURE = re.compile(rf"^({_NUMBER}) ?(SQ FT|[A-Z]+)\.?(?: (CAN|BAG|BOX|JAR|BTL))?$")
_PIECES_FIRST = re.compile(rf"^(\d+) ?(PK|CT)? ?[/-] ?({_NUMBER}) ?(OZ|ML|L|LB|GAL)$")
_PIECES_LAST = re.compile(rf"^({_NUMBER}) ?(OZ|ML|L|LB)/(\d+) ?(PK|CT)$")
_RANGE = re.compile(r"^(\d+)-(\d+) CT$")
_CONTAINERS = {"CAN": "can", "BAG": "bag", "BOX": "box", "JAR": "jar", "BTL": "bottle"}
BOTTLE_OZ = 16.9
LARGEST_CARTON_CT = 1000


@dataclass(frozen=True)
class TypeName:
    """How a product type is called in a title."""

    title: str
    description: str
    named_by: str


@cache
def _type_names() -> dict[tuple[str, str], TypeName]:
    with TYPES_FILE.open(encoding="utf-8", newline="") as file:
        return {
            (row["product_type"], row["product_category"]): TypeName(
                title=row["title"], description=row["description"], named_by=row["named_by"] or "type"
            )
            for row in csv.DictReader(file)
        }


@cache
def _abbreviations() -> dict[str, str]:
    with ABBREVIATIONS_FILE.open(encoding="utf-8", newline="") as file:
        return {row["abbreviation"]: row["meaning"] for row in csv.DictReader(file)}


def type_name(product_type: str, product_category: str) -> TypeName:
    """The hand-written name, or where there is none the type's own words spelled out (`named_by` "rule")."""
    names = _type_names()
    named = names.get((product_type, product_category)) or names.get((product_type, ""))
    return named or TypeName(title=_spelled_out(product_type), description="", named_by="rule")


def _spelled_out(product_type: str) -> str:
    text = re.sub(r"\(.*?(\)|$)", " ", product_type.lower())
    text = re.sub(r"\s*[&]\s*", " and ", re.sub(r"[/:\-,.]+", " ", text))
    words = [_abbreviations().get(word, word) for word in text.split()]
    kept = [word for word in words if word not in {"misc", "miscellaneous", "all", "other", "etc", "ex", "incl"}]
    return " ".join(kept or words).capitalize()


def readable_size(package_size: str) -> str:
    """ "10/6.75 OZ" -> "10 × 6.75 oz", "L    16 OZ" -> "16 oz", "PT" -> "1 pt"; "" where it tells a shopper nothing."""
    size = _tidy(package_size)
    if match := _MEASURE.match(size):
        return _single(match)
    if match := _PIECES_FIRST.match(size):
        return _several(pieces=match[1], kind=match[2], amount=match[3], unit=match[4])
    if match := _PIECES_LAST.match(size):
        return _several(pieces=match[3], kind=match[4], amount=match[1], unit=match[2])
    if match := _RANGE.match(size):
        return f"{match[1]}–{match[2]} count"
    return ""


def _tidy(package_size: str) -> str:
    size = re.sub(r"\s+", " ", package_size.strip().upper())
    # Letters and long numbers in front are the till's own codes: "L 16 OZ", "(600) 4 LB", "22515 32 OZ".
    size = re.sub(r"^(?:[LN] |\(\d+\) |\d{5,} (?=\d))", "", size)
    return f"1 {size}" if size in {"PT", "QT", "GAL", "GA", "DZ"} else size


def _single(match: re.Match[str]) -> str:
    if match[2] not in UNITS:
        return ""
    amount, unit = _number(match[1]), UNITS[match[2]]
    value = float(amount)
    if unit in {"pack", "count"}:
        if not 1 < value < LARGEST_CARTON_CT:
            return ""
        return f"{amount}-pack" if unit == "pack" else f"{amount} count"
    if unit == "ml" and value >= 1000:
        return f"{_number(str(value / 1000))} L"
    bottles = value / BOTTLE_OZ
    if unit == "oz" and bottles >= 6 and abs(bottles - round(bottles)) < 1e-6:
        return f"{round(bottles)} × {BOTTLE_OZ} oz"
    return f"{amount} {unit} {_CONTAINERS[match[3]]}" if match[3] else f"{amount} {unit}"


def _several(*, pieces: str, kind: str | None, amount: str, unit: str) -> str:
    """ "10 CT/12 OZ" is ten pieces of 12 ounces in all; "12 PK/12 OZ" and "12/12 OZ" twelve of 12 ounces each."""
    measure = f"{_number(amount)} {UNITS[unit]}"
    return f"{pieces} count, {measure}" if kind == "CT" else f"{pieces} × {measure}"


def _number(text: str) -> str:
    """Decimal without trailing zeros, hundredths at most: "15 1/4" -> "15.25", ".875" -> "0.88", "5.0" -> "5"."""
    total = 0.0
    for part in text.split():
        numerator, _, denominator = part.partition("/")
        total += float(numerator) / (float(denominator) if denominator else 1.0)
    return f"{total:.2f}".rstrip("0").rstrip(".")


def is_shipping_case(package_size: str, price: float) -> bool:
    """Whether the size of a fresh vegetable or fruit is the crate it came in: 40 lb of bananas for 94 cents."""
    size = re.sub(r"\s+", " ", package_size.strip().upper())
    if _RANGE.match(size):
        return True
    if match := re.match(r"^(\d+) LB", size):
        return int(match[1]) >= 10 and price / int(match[1]) < 0.19
    if match := re.match(r"^(\d+) CT$", size):
        return int(match[1]) > 4
    return False


def title(name: str, *, size: str = "", is_store_brand: bool = False) -> str:
    """ "Tortilla chips, 13 oz (store brand)"."""
    with_size = f"{name}, {size}" if size else name
    return f"{with_size} (store brand)" if is_store_brand else with_size
