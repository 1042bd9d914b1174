"""Feeds: what each format reads, what survives a round trip, and how a bad file is refused."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest

from catalog.feeds import FEEDS, FeedError, feed_named, open_feed, sniff
from catalog.item_rows import FIELDS, UnreadableRow
from catalog.items import upsert_items
from catalog.models import Item
from tests.factories import ItemFactory


def saved(tmp_path, name: str, content: str | bytes):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(tmp_path, name: str, content: str | bytes, *, format_name: str = ""):
    feed, rows = open_feed(saved(tmp_path, name, content), name=format_name)
    return feed.NAME, list(rows)


RICH = {
    "external_id": "rye/1",
    "title": 'Rye "dark", sour; 黑麦',
    "description": "First line, <b>bold</b> & more.\nSecond line.",
    "brand": "Mill & Söhne",
    "product_type": "Food > Bread",
    "link": "https://shop.example/rye?a=1&b=2",
    "image_url": "https://shop.example/rye.png",
    "price": Decimal("1234.50"),
    "currency": "EUR",
    "is_in_stock": False,
    "is_hidden": True,
    "stock_quantity": 0,
    "attributes": {"grain": ["rye", "wheat"], "organic": True},
    "published_at": datetime(2025, 3, 1, 9, 30, tzinfo=UTC),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(FEEDS))
def test_what_a_format_keeps_comes_back_as_it_was(name, tmp_path):
    feed = feed_named(name)
    ItemFactory(**RICH)
    ItemFactory(external_id="plain", title="Plain", description="", brand="", price=None, currency="")
    path = tmp_path / f"items.{name}"
    with path.open("wb") as file:
        assert feed.write(Item.objects.order_by("id"), file) == 2
    Item.objects.all().delete()

    assert sniff(path) is feed
    report = upsert_items(open_feed(path)[1])
    assert (report.created, report.rejected) == (2, ())
    rich = Item.objects.get(external_id="rye/1")
    expected = {field: RICH[field] for field in feed.KEEPS}
    if name == "recbole":  # the format has no quotes, so a line break becomes a space
        expected["description"] = RICH["description"].replace("\n", " ")
    assert {field: getattr(rich, field) for field in feed.KEEPS} == expected
    assert Item.objects.get(external_id="plain").price is None


def test_only_our_own_formats_and_gorse_keep_everything():
    assert {name for name, feed in FEEDS.items() if feed.KEEPS.issuperset(FIELDS)} == {
        "csv",
        "gorse",
        "jsonl",
        "parquet",
    }


def test_a_line_that_is_no_json_is_a_row_to_reject_and_the_others_are_read(tmp_path):
    content = '{"external_id": "1", "title": "One"}\n\n{"external_id": "2", \n[1]\n{"price": NaN}\n'
    _, rows = rows_of(tmp_path, "items.jsonl", content)
    assert rows[0] == {"external_id": "1", "title": "One"}
    assert [row.message for row in rows[1:]] == [
        "Line 3 is not valid JSON: Expecting property name enclosed in double quotes at character 21.",
        "This line is JSON but no object; write one object a line.",
        "Line 5 is not valid JSON: NaN is not JSON; write a number or null.",
    ]


def test_a_json_list_is_read_as_its_elements(tmp_path):
    assert rows_of(tmp_path, "items.json", '\n[{"external_id": "1"},\n {"external_id": "2"}]') == (
        "jsonl",
        [{"external_id": "1"}, {"external_id": "2"}],
    )


@pytest.mark.parametrize(
    "encoded",
    [
        "external_id,title\n1,黑麦面包 é\n".encode(),
        "\ufeffexternal_id,title\n1,黑麦面包 é\n".encode(),
        "external_id,title\n1,黑麦面包 é\n".encode("gb18030"),
        "external_id,title\r\n1,黑麦面包 é\r\n".encode("utf-16"),
    ],
    ids=["utf-8", "utf-8 with BOM", "gb18030", "utf-16"],
)
def test_the_encoding_is_found(encoded, tmp_path):
    assert rows_of(tmp_path, "items.csv", encoded) == ("csv", [{"external_id": "1", "title": "黑麦面包 é"}])


def test_a_table_in_no_encoding_we_read_is_refused_with_the_place(tmp_path):
    with pytest.raises(FeedError, match=r"neither UTF-8 nor GB18030 \(byte 20\); save it as UTF-8"):
        rows_of(tmp_path, "items.csv", b"external_id,title\n1,\xff\xff\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_our_table_takes_other_names_and_separators(delimiter, tmp_path):
    content = delimiter.join(["SKU", "Name", "In stock", "Colour"]) + "\n" + delimiter.join(["1", "Rye", "no", "red"])
    assert rows_of(tmp_path, "items.txt", content) == (
        "csv",
        [{"external_id": "1", "title": "Rye", "is_in_stock": "no", "colour": "red"}],
    )


def test_a_row_with_too_many_cells_is_rejected_and_a_quoted_line_break_is_not(tmp_path):
    _, rows = rows_of(tmp_path, "items.csv", 'external_id,title\n1,"Rye\nbread"\n2,Wheat,white\n3\n\n')
    assert rows == [
        {"external_id": "1", "title": "Rye\nbread"},
        UnreadableRow("Line 4 has 3 cells and the header 2; quote cells that hold the separator."),
        {"external_id": "3"},
    ]


def test_a_header_that_names_a_column_twice_is_refused(tmp_path):
    with pytest.raises(FeedError, match="The header names title twice"):
        rows_of(tmp_path, "items.csv", "external_id,title,name\n1,a,b\n")


def test_a_google_table_with_spaces_in_its_header(tmp_path):
    content = (
        "id\ttitle\timage link\tavailability\tprice\tgoogle product category\tgtin\n"
        "1\tRye &amp; wheat\thttps://s.example/a.png\tin stock\t12.99 USD\tFood > Bread\t400\n"
    )
    name, rows = rows_of(tmp_path, "feed.txt", content)
    assert (name, rows) == (
        "google_merchant",
        [
            {
                "external_id": "1",
                "title": "Rye &amp; wheat",
                "description": "",
                "link": "",
                "image_url": "https://s.example/a.png",
                "price": "12.99 USD",
                "product_type": "Food > Bread",
                "brand": "",
                "is_in_stock": "in stock",
                "google_product_category": "Food > Bread",
                "gtin": "400",
            }
        ],
    )


RSS = """<?xml version="1.0"?>
<rss xmlns:g="http://base.google.com/ns/1.0" version="2.0"><channel><title>Shop</title><link>https://s.example</link>
<item><g:id>1</g:id><title><![CDATA[Rye <dark>]]></title><description>A &amp; b</description>
<link>https://s.example/1</link><g:image_link>https://s.example/1.png</g:image_link>
<g:availability>out_of_stock</g:availability><g:price>3.5 EUR</g:price>
<g:shipping><g:country>DE</g:country></g:shipping></item>
<item><g:title>No id</g:title></item></channel></rss>"""


def test_a_google_rss_feed(tmp_path):
    name, rows = rows_of(tmp_path, "feed.xml", RSS)
    assert name == "google_merchant"
    assert rows[0] == {
        "external_id": "1",
        "title": "Rye <dark>",
        "description": "A & b",
        "link": "https://s.example/1",
        "image_url": "https://s.example/1.png",
        "price": "3.5 EUR",
        "product_type": "",
        "brand": "",
        "is_in_stock": "out_of_stock",
        "shipping": "DE",
    }
    assert (rows[1]["external_id"], rows[1]["title"]) == ("", "No id")


def test_a_google_atom_feed_has_its_link_in_an_attribute(tmp_path):
    content = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0"><title>Shop</title>'
        '<entry><g:id>1</g:id><title>Rye</title><link href="https://s.example/1"/><summary>Dark</summary></entry></feed>'
    )
    _, rows = rows_of(tmp_path, "feed", content)
    assert (rows[0]["link"], rows[0]["description"]) == ("https://s.example/1", "Dark")


def test_an_xml_feed_in_its_declared_encoding(tmp_path):
    content = '<?xml version="1.0" encoding="ISO-8859-1"?><rss><item><id>1</id><title>Brötchen</title></item></rss>'
    _, rows = rows_of(tmp_path, "feed.xml", content.encode("latin-1"))
    assert rows[0]["title"] == "Brötchen"


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE rss [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss SYSTEM "http://elsewhere.example/rss.dtd">',
    ],
)
def test_xml_that_could_expand_or_fetch_is_refused(declaration, tmp_path):
    with pytest.raises(FeedError, match="The XML has a DOCTYPE"):
        rows_of(tmp_path, "feed.xml", f"<?xml version='1.0'?>{declaration}<rss><item><id>&a;</id></item></rss>")


@pytest.mark.parametrize("encoding", ["zip", "hex", "rot13", "idna", "klingon"])
def test_xml_in_an_encoding_that_is_none_is_refused(encoding, tmp_path):
    content = f'<?xml version="1.0" encoding="{encoding}"?><rss><item><id>1</id><title>a</title></item></rss>'
    with pytest.raises(FeedError, match=f"The XML declares the encoding '{encoding}', which we do not read"):
        rows_of(tmp_path, "feed.xml", content)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "feed.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"external_id": [f"sku-{n}" for n in range(5000)]}), path)
    content = bytearray(path.read_bytes())
    for place in range(200, len(content) - 2000, 50):
        content[place] ^= 0x5A
    with pytest.raises(FeedError, match="This is not a readable Parquet file: "):
        rows_of(tmp_path, "feed.parquet", bytes(content))


def test_a_parquet_file_with_a_time_beyond_python_is_refused(tmp_path):
    path = tmp_path / "feed.parquet"
    far = pyarrow.array([2**62], pyarrow.timestamp("us"))
    pyarrow.parquet.write_table(pyarrow.table({"external_id": ["1"], "published_at": far}), path)
    with pytest.raises(FeedError, match="This is not a readable Parquet file: date value out of range"):
        rows_of(tmp_path, "feed.parquet", path.read_bytes())


def test_xml_that_breaks_off_is_refused(tmp_path):
    with pytest.raises(FeedError, match="The XML is not well-formed: unclosed token: line 7"):
        rows_of(tmp_path, "feed.xml", RSS[:500])


SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Value,Variant SKU,Variant Inventory Tracker,"
    "Variant Inventory Qty,Variant Inventory Policy,Variant Price,Image Src,Status\n"
    'tee,Tee,"<p>Soft &amp; light.</p><p>Made here.</p><script>x()</script>",Acme,Shirts,"summer, sale",'
    "true,S,T-S,shopify,0,deny,20.00,https://s.example/tee.png,active\n"
    "cap,Cap,,Acme,Hats,,true,,CAP,shopify,0,deny,9,,draft\n"
    "tee,,,,,,,M,T-M,shopify,3,deny,18.50,https://s.example/tee2.png,\n"
)


def test_shopify_variants_become_one_item(tmp_path):
    name, rows = rows_of(tmp_path, "products_export.csv", SHOPIFY)
    assert name == "shopify"
    assert rows[0] == {
        "external_id": "tee",
        "title": "Tee",
        "description": "Soft & light.\nMade here.",
        "brand": "Acme",
        "product_type": "Shirts",
        "image_url": "https://s.example/tee.png",
        "price": "18.50",
        "is_in_stock": True,
        "stock_quantity": 3,
        "is_hidden": False,
        "attributes": {
            "tags": ["summer", "sale"],
            "variants": [
                {"sku": "T-S", "price": "20.00", "options": "S"},
                {"sku": "T-M", "price": "18.50", "options": "M"},
            ],
        },
    }
    assert (rows[1]["is_in_stock"], rows[1]["is_hidden"]) == (False, True)


def test_shopify_sells_what_it_does_not_count_or_may_oversell(tmp_path):
    header = "Handle,Title,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Inventory Policy\n"
    _, rows = rows_of(tmp_path, "p.csv", f"{header}a,A,1,,0,deny\nb,B,2,shopify,0,continue\nc,C,3,shopify,-2,deny\n")
    assert [row["is_in_stock"] for row in rows] == [True, True, False]


def test_gorse_items(tmp_path):
    line = {
        "ItemId": "1",
        "IsHidden": True,
        "Categories": ["Food", "Bread"],
        "Timestamp": "2025-03-01T09:30:00Z",
        "Labels": {"brand": "Mill", "grain": "rye"},
        "Comment": "Rye bread",
    }
    other = {"ItemId": "2", "Timestamp": "0001-01-01T00:00:00Z", "Labels": ["a"], "Comment": "Wheat"}
    name, rows = rows_of(tmp_path, "items.jsonl", f"{json.dumps(line)}\n{json.dumps(other)}\n")
    assert name == "gorse"
    assert rows[0] == {
        "external_id": "1",
        "title": "Rye bread",
        "brand": "Mill",
        "product_type": "Food > Bread",
        "attributes": {"grain": "rye"},
        "is_hidden": True,
        "published_at": "2025-03-01T09:30:00Z",
    }
    assert rows[1]["attributes"] == {"labels": ["a"]}
    assert "published_at" not in rows[1]


def test_recbole_items_with_quotes_that_mean_nothing(tmp_path):
    content = (
        'item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n1\t"Heat\t1995\tAction Crime\n'
    )
    name, rows = rows_of(tmp_path, "ml.item", content)
    assert name == "recbole"
    assert rows == [
        {
            "external_id": "1",
            "title": '"Heat',
            "product_type": "Action Crime",
            "published_at": "",
            "release_year": "1995",
        }
    ]


def test_personalize_items_without_a_title_take_the_first_line_of_the_description(tmp_path):
    header = "ITEM_ID,CREATION_TIMESTAMP,CATEGORY_L1,CATEGORY_L2,PRICE,PRODUCT_DESCRIPTION,GENDER"
    content = f"{header}\n1,1740821400,Food|Deal,Bread,3.5,Rye bread,F\n"
    name, rows = rows_of(tmp_path, "items.csv", content)
    assert name == "personalize"
    assert rows == [
        {
            "external_id": "1",
            "title": "Rye bread",
            "description": "Rye bread",
            "brand": "",
            "product_type": "Food > Bread",
            "price": "3.5",
            "currency": "",
            "published_at": "1740821400",
            "gender": "F",
        }
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("items.csv", b"", "items.csv is empty; export the feed again."),
        ("items.jsonl", b" \n\n", "items.jsonl is empty; export the feed again."),
        ("items.xlsx", b"PK\x03\x04rest", "items.xlsx is a spreadsheet or a zip archive; export it as CSV, UTF-8."),
        ("items.csv.gz", b"\x1f\x8brest", r"items.csv.gz is compressed; unpack it with gunzip first."),
        ("items.parquet", b"PAR1rest", "This is not a readable Parquet file"),
        ("items.txt", b"hello world\n", "items.txt begins like no format we know; name one with --format"),
    ],
)
def test_a_file_that_is_no_feed_is_refused(name, content, message, tmp_path):
    with pytest.raises(FeedError, match=message):
        rows_of(tmp_path, name, content)


def test_a_missing_file_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(FeedError, match="There is no file"):
        open_feed(tmp_path / "none.csv")
    with pytest.raises(FeedError, match="There is no format 'xls'; use one of csv, google_merchant, gorse"):
        open_feed(saved(tmp_path, "a.csv", "external_id,title\n1,a\n"), name="xls")


@pytest.mark.parametrize("name", ["google_merchant", "shopify", "recbole", "personalize"])
def test_a_table_of_another_format_is_refused_by_the_column_it_lacks(name):
    with pytest.raises(FeedError, match=r"has no (id|column)"):
        list(FEEDS[name].read(io.BytesIO(b"a,b\n1,2\n")))
