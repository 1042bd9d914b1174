"""A taxonomy's file given to the console: read at once, imported by a job, refused in its dialog."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from catalog import tasks
from catalog.models import Label, Taxonomy
from recsite.operations.models import Job

pytestmark = pytest.mark.django_db

GOOGLE = """# Google_Product_Taxonomy_Version: 2021-09-21
1 - Animals & Pet Supplies
3237 - Animals & Pet Supplies > Live Animals
166 - Apparel & Accessories
1604 - Apparel & Accessories > Clothing
5322 - Apparel & Accessories > Clothing > Activewear
"""


def test_an_uploaded_file_is_imported_by_a_job_that_tells_what_it_left_out(monkeypatch, staff, admin):
    monkeypatch.setattr("recsite.operations.jobs.ring", lambda job: None)
    upload = SimpleUploadedFile("google.txt", (GOOGLE + "7 - Bad > > Path\n").encode())
    response = admin.post("/taxonomy-parts/import/", {"file": upload, "name": "Google's"})
    job = Job.objects.get()
    assert response["HX-Redirect"] == f"/operations/jobs/{job.pk}/"
    assert (job.kind, job.title, job.started_by, Label.objects.count()) == (
        "import_taxonomy",
        "Import google.txt",
        staff,
        0,
    )
    assert "_rows" not in admin.get(f"/operations/jobs/{job.pk}/").content.decode()
    tasks.import_taxonomy(job.pk)
    job.refresh_from_db()
    assert (job.status, job.done, job.total, job.rejected) == ("succeeded", 6, 6, 1)
    assert (job.details["labels_created"], job.details["rejected_rows"][0]["row"]) == (5, 6)
    assert Taxonomy.objects.get().slug == "googles"
    assert job.parameters == {"name": "Google's", "taxonomy": "googles"}
    page = admin.get(f"/operations/jobs/{job.pk}/").content.decode()
    assert "has an empty part" in page
    assert 'href="/taxonomies/googles/"' in page


def test_a_file_that_cannot_be_imported_is_refused_in_the_dialog(admin):
    for content, values, words in (
        (b"a,b\n1,2\n", {}, "shop.csv lacks the column label"),
        (b"label\nBread\n", {}, "does not say which taxonomy it is"),
        (b"", {"taxonomy": "x"}, "shop.csv is empty"),
    ):
        upload = SimpleUploadedFile("shop.csv", content)
        page = admin.post("/taxonomy-parts/import/", {"file": upload, **values}).content.decode()
        assert words in page
    assert "Choose a file." in admin.post("/taxonomy-parts/import/", {}).content.decode()
    assert (Job.objects.count(), Label.objects.count()) == (0, 0)
