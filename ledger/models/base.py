"""What every table shares: how columns are stored on both engines, and how constraints are named."""

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

BIG = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up only a column of type INTEGER
NAMES = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can drop it on both engines."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BIG, str: Text(), bytes: LargeBinary(), dict[str, Any]: JSON(), list[Any]: JSON(),
    }  # fmt: skip
