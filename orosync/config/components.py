"""The section of a component that lives in the router's process, as a frozen value.

Like ``sections``, of which it is a part. This file must not know how a component is made.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from orosync.config import values
from orosync.config.keys import setting


@frozen(kw_only=True)
class ComponentSection:
    """[component:NAME]: a component of the application that lives in the router's process.

    ``extra`` has every other key, as in ForeignSection.
    """

    name: str
    use: str = setting(
        values.factory,
        "`package.module:Class`, an `ApplicationSession` of Autobahn's for Twisted (or a function that makes one from "
        "its `ComponentConfig`). It joins the realm without a socket when the router starts, and is started again when "
        "it fails.",
        required=True,
        example="acme.prices:Feed",
    )
    realm: str = setting(values.name, "The realm that it joins.", unset="", otherwise="the only realm")
    role: str = setting(
        values.name,
        "Its role there; its `authid` is the section's name.",
        required=True,
        example="feed",
    )
    extra: Mapping[str, str] = field(repr=False, factory=dict)
