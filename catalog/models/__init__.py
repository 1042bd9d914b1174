"""The catalog: items, the taxonomies they are labelled against, and the labels they carry."""

from catalog.models.item import Item, ItemEmbedding
from catalog.models.item_label import ItemLabel, LabelRequest
from catalog.models.lease import Lease
from catalog.models.taxonomy import Label, LabelEmbedding, Taxonomy

__all__ = ["Item", "ItemEmbedding", "ItemLabel", "Label", "LabelEmbedding", "LabelRequest", "Lease", "Taxonomy"]
