"""Words of services that are sold but are no items. Pure, and light: pages read it too."""

# A title that is nothing but this is no item. Written so that Python and PostgreSQL read them alike.
CERTAIN = (
    r"postage|dotcom postage|postage and packing|postage & packing|p&p|shipping|shipping costs?|shipping fee|carriage|"
    r"delivery|delivery charge|delivery fee|freight|bank charges?|"
    r"(amazon|ebay|paypal|card|service|handling) (fee|charge)s?|"
    r"discount|rebate|surcharge|gift (card|voucher|certificate)s?|e-?voucher|store credit|adjust bad debt|"
    r"(this is a )?test (product|item|row|article)|versandkosten|porto|gutschein|frais de port|livraison|"
    r"gastos de env[ií]o|运费|邮费|优惠券|礼品卡"
)
# A title with one of these words may be no item; a second sign must agree.
LIKELY = (
    r"postage|shipping|carriage|delivery|freight|bank charges|fee|fees|charge|charges|discount|rebate|surcharge|coupon|"
    r"voucher|vouchers|gift card|gift certificate|manual|adjust|adjustment|bad debt|sample|samples|test|"
    r"deposit|donation|"
    r"commission|credit note|insurance|tax|vat|tip|miscellaneous|misc|versand|porto|gutschein|rabatt|livraison"
)
