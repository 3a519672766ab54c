"""User and conversation ids as a keyed hash: found again with the key, and by nobody else."""

from __future__ import annotations

from profile_store import ProfileKey, SlotWrite, Source
from profile_store.hashing import PREFIX
from tests.conftest import OpenStore
from tests.profile_store.sealed import NEW, OLD, key


async def test_a_profile_is_found_again_with_the_same_key_alone(
    open_store: OpenStore, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store(user_id_key=OLD)
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
    assert dict(await open_store(user_id_key=OLD).fetch(ann)) == {"name": "Ann"}
    assert dict(await store.fetch(bob)) == {}
    assert dict(await store.fetch(ProfileKey("shop", ann.user_id))) == {}
    assert dict(await open_store(user_id_key=NEW).fetch(ann)) == {}
    assert dict(await open_store().fetch(ann)) == {}


async def test_other_encryption_keys_do_not_lose_a_profile(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    await open_store(user_id_key=key("users"), encryption_keys=OLD).store(
        ann, [SlotWrite("name", "Ann", 10.0)]
    )
    both = open_store(user_id_key=key("users"), encryption_keys=f"{NEW},{OLD}")
    assert dict(await both.fetch(ann)) == {"name": "Ann"}


async def test_whoever_asks_gets_the_ids_that_they_gave(
    open_store: OpenStore, ann: ProfileKey, bob: ProfileKey
) -> None:
    store = open_store(user_id_key=OLD)
    await store.store(bob, [SlotWrite("name", "Bob", 10.0)])
    await store.link(bob, ann)
    assert (await store.export(ann))["user_id"] == ann.user_id
    assert (await store.forget(ann, at=20.0)).key == ann
    assert await store.history(ann) == []


async def test_a_conversation_is_told_from_others_and_not_named(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(user_id_key=OLD)
    for number, conversation in enumerate(["phone", "web", "phone", None, "half \ud800 a pair"]):
        source = Source("calm", "action_ask", conversation)
        await store.store(ann, [SlotWrite("name", number, 10.0 + number, source)])
    sources = [write.source for write in await store.history(ann)][::-1]
    told = [source.conversation for source in sources]
    assert told[0] == told[2]
    assert len(set(told)) == 4
    assert told[3] is None
    assert all(name.startswith(PREFIX) for name in told if name)
    assert {(source.system, source.action) for source in sources} == {("calm", "action_ask")}
    assert ann.user_id not in str(told)


async def test_an_id_that_looks_like_a_hash_is_hashed_like_any_other(
    open_store: OpenStore, ann: ProfileKey
) -> None:
    store = open_store(user_id_key=OLD)
    await store.store(ann, [SlotWrite("name", "Ann", 10.0)])
    (stored,) = {store._identities.stored(ann)}
    assert stored.user_id.startswith(PREFIX)
    assert dict(await store.fetch(stored)) == {}
