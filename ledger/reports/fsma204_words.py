"""
FSMA 204: the words for its sheets and for what stands in cells as a code, in Chinese; in English the code is the word.

The columns have their words beside them (fsma204_columns.py).  Sheets are named as Excel lets them be: at most 31 characters,
none of []:*?/\\.
"""

from collections.abc import Mapping

from ledger.reports.interface import Query

CHINESE: Mapping[str, str] = {
    "Summary": "汇总", "Missing": "缺失要素", "Glossary": "术语", "About": "关于", "Harvest": "采收", "Cooling": "预冷",
    "InitialPacking": "初次包装", "FirstLandBasedReceiving": "首次陆上接收", "Shipping": "发货", "Receiving": "接收",
    "Transformation": "加工", "stands": "有效", "declared wrong or withdrawn": "已声明错误或撤回",
    "claimed by a third party": "第三方声称",
    "could not be checked": "无法核对", "more than its teller had": "超出记录方所持数量", "yes": "是", "no": "否",
    "if applicable": "如适用", "rule": "法规", "21 CFR part 1, subpart S": "美国联邦法规 21 CFR 第 1 部分 S 子部分",
    "location description": "地点描述", "business name": "企业名称", "phone number": "电话",
    "address or coordinates": "地址或坐标", "city": "城市", "region and postal code": "省州与邮编", "country": "国家",
    "lot asked": "查询批次", "entries below": "账本序号小于", "events read": "读取事件数", "cut short": "是否因上限而不完整",
}  # fmt: skip


def said(code: str, query: Query) -> str:
    """A code in the words of who asks."""
    return CHINESE.get(code, code) if query.lang == "zh" and not query.coded else code
