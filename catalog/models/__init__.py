"""The catalog: items, the taxonomies they are labelled against, and the labels they carry."""

from catalog.models.decision_record import DecisionRecord
from catalog.models.item import Item, ItemEmbedding, ItemPopularity
from catalog.models.item_label import ItemLabel, LabelRequest
from catalog.models.label_head import AutoAccept, LabelHead, LabellingVector, OpinionFit
from catalog.models.lease import Lease
from catalog.models.model_usage import ModelUsage
from catalog.models.taxonomy import Label, LabelEmbedding, LabelName, Taxonomy

__all__ = [
    "AutoAccept",
    "DecisionRecord",
    "Item",
    "ItemEmbedding",
    "ItemLabel",
    "ItemPopularity",
    "Label",
    "LabelEmbedding",
    "LabelHead",
    "LabelName",
    "LabelRequest",
    "LabellingVector",
    "Lease",
    "ModelUsage",
    "OpinionFit",
    "Taxonomy",
]
