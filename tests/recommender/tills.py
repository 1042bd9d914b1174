"""Rows as the demo's source holds them."""

from __future__ import annotations

import pandas as pd


def product(product_id: int, product_type: str, **changes: object) -> dict[str, object]:
    return {
        "product_id": product_id,
        "manufacturer_id": 69,
        "department": "GROCERY",
        "brand": "National",
        "product_category": "BAG SNACKS",
        "product_type": product_type,
        "package_size": "13 OZ",
        **changes,
    }


def sale(product_id: int, basket_id: int, **changes: object) -> dict[str, object]:
    return {
        "household_id": basket_id % 3,
        "basket_id": basket_id,
        "product_id": product_id,
        "quantity": 1,
        "sales_value": 2.0,
        "transaction_timestamp": pd.Timestamp("2017-06-01 16:00:00") + pd.Timedelta(days=basket_id),
        **changes,
    }
