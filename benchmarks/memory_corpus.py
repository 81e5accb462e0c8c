"""What an operations team might remember, and what its people ask: made of templates, the same each time (standard library only).

Memories are of customers, services, incidents, hosts, colleagues and suppliers; each has many neighbours that differ in a name or
a number alone. Questions have one answer each, and are of four kinds, in equal parts:

- `paraphrased`: the name is right, the rest is said in other words;
- `misspelt`: names have typing errors, and so has a third of the other words; some are run together;
- `identifier`: a rare number or code, and little else;
- `described`: not what it is called, only what the answer says, in other forms of the words.
"""

import random
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import NamedTuple

KINDS = ("paraphrased", "misspelt", "identifier", "described")
_FIRST = [
    "Ander",
    "Bel",
    "Cor",
    "Dal",
    "Ebb",
    "Fer",
    "Gold",
    "Hal",
    "Iver",
    "Jas",
    "Kel",
    "Lund",
    "Mar",
    "Nor",
    "Ost",
    "Pell",
    "Quin",
    "Ros",
    "Sand",
    "Tor",
    "Ulm",
    "Var",
    "Wes",
    "Yar",
    "Zell",
    "Brem",
    "Cran",
    "Drav",
    "Eck",
    "Falk",
    "Grev",
    "Holm",
]
_LAST = [
    "ini",
    "berg",
    "croft",
    "dahl",
    "ewski",
    "feld",
    "grove",
    "hagen",
    "ington",
    "jord",
    "kamp",
    "lander",
    "mont",
    "nova",
    "oak",
    "pont",
    "rick",
    "shaw",
    "thal",
    "unger",
    "vale",
    "worth",
    "yard",
    "zano",
    "bury",
    "dorf",
    "stein",
    "mark",
    "holt",
    "wick",
    "sson",
    "field",
]
_GIVEN = [
    "Agnes",
    "Bruno",
    "Carla",
    "Dmitri",
    "Elif",
    "Farid",
    "Greta",
    "Hassan",
    "Ines",
    "Jonas",
    "Katya",
    "Leon",
    "Mirela",
    "Nadia",
    "Oskar",
    "Priya",
    "Quentin",
    "Rosa",
    "Stefan",
    "Tomas",
    "Ursula",
    "Viktor",
    "Wanda",
    "Ximena",
    "Yusuf",
    "Zofia",
]
_TRADES = [
    "ships fruit",
    "bakes bread",
    "insures boats",
    "prints books",
    "rents scaffolding",
    "sells bicycles",
    "brews cider",
    "repairs lifts",
    "grows tulips",
    "teaches languages",
    "tunes pianos",
    "digs wells",
    "roasts coffee",
    "weaves carpets",
    "paints bridges",
    "breeds horses",
    "builds kitchens",
    "cleans windows",
    "blends paint",
    "moulds candles",
    "charts rivers",
    "leases trams",
    "bottles water",
    "plans weddings",
]
_CITIES = [
    "Porto",
    "Ghent",
    "Turin",
    "Malmo",
    "Graz",
    "Lodz",
    "Brno",
    "Cork",
    "Nantes",
    "Split",
    "Bergen",
    "Tartu",
    "Varna",
    "Leeds",
    "Basel",
    "Seville",
    "Aarhus",
    "Trieste",
    "Zagreb",
    "Kaunas",
]
_LANGUAGES = [
    "Dutch",
    "Polish",
    "Catalan",
    "Finnish",
    "Czech",
    "Basque",
    "Danish",
    "Greek",
    "Latvian",
    "Slovene",
]
_SYSTEMS = [
    "ledger",
    "pricing",
    "mailer",
    "checkout",
    "catalog",
    "shipping",
    "search",
    "billing",
    "identity",
    "reports",
    "quota",
    "audit",
    "media",
    "ticket",
    "export",
]
_PARTS = ["api", "worker", "gateway", "cache", "scheduler", "importer", "proxy", "indexer"]
_REGIONS = ["eu-west", "eu-north", "us-east", "us-central", "ap-south", "sa-east", "af-south", "me-central"]
_CAUSES = [
    "the certificate had run out",
    "the disk was full of old logs",
    "two migrations ran at once",
    "a feature flag was left on",
    "the connection pool was exhausted",
    "a clock was eleven minutes ahead",
    "the queue consumer had stopped",
    "a firewall rule was removed",
    "the schema cache was stale",
    "memory was leaking in the parser",
    "a retry storm came from one client",
    "the name server answered slowly",
]
_CURES = [
    "restarting the pods",
    "renewing it by hand",
    "rolling back",
    "doubling the replicas",
    "draining the node",
    "pinning the old image",
    "raising the limit",
    "switching to the standby",
    "clearing the cache",
    "blocking the caller",
]
_DISHES = [
    "lentils",
    "mushrooms",
    "peanuts",
    "shellfish",
    "strawberries",
    "celery",
    "sesame",
    "cheese",
    "eggs",
    "soy",
]
_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_NOTES = [
    "Noted after a call on {day} {date}; {who} will check again in {month}",
    "It came up in the review of {month}, and {who} wrote it down",
    "Source: the mail of {who} from {day}, {date}, with two attachments",
    "{who} confirmed it on {date}, the team agreed to keep it",
    "This replaces what was said in {month}; ask {who} when in doubt",
    "Seen in the minutes of {day}, {date}, item {item}",
    "{who} learnt it from the hand-over in {month}, page {item} of the folder",
    "Until {date} it was otherwise, as {who} remembers",
]
_TOPICS = [
    "the late delivery",
    "a broken seal",
    "the new price list",
    "the audit of their books",
    "a wrong address",
    "the spring campaign",
    "a visit to the plant",
    "the missing pallet",
    "a refund",
    "their new web shop",
    "the insurance",
    "a change of the tax number",
]
_FORMATS = ["paper letters", "structured XML", "scanned PDF files", "plain e-mail", "a spreadsheet"]


class Memory(NamedTuple):
    """A key and what stands under it."""

    key: str
    text: str


class Question(NamedTuple):
    """What somebody asks, and the key of what answers it."""

    kind: str
    text: str
    key: str


class _Fact(NamedTuple):
    """A memory, its names, how one asks for it in other words, by a code (if it has one), and without its name (if one can)."""

    memory: Memory
    name: str
    asked: str
    code: str = ""
    described: str = ""


def memories(n: int) -> list[Memory]:
    """Return `n` memories; the first of a larger number are those of a smaller one."""
    return [fact.memory for fact in islice(_facts(), n)]


def questions(n: int, *, among: int, seed: int = 71) -> list[Question]:
    """Return `n` questions whose answers stand in the first `among` memories."""
    chance = random.Random(seed)
    facts = list(islice(_facts(), among))
    said: list[Question] = []
    for kind, made in (
        ("paraphrased", lambda fact: fact.asked),
        ("misspelt", lambda fact: _misspelt(fact, chance)),
        ("identifier", lambda fact: fact.code),
        ("described", lambda fact: fact.described),
    ):
        fitting = [fact for fact in facts if made(fact)]
        said += [Question(kind, made(fact), fact.memory.key) for fact in chance.sample(fitting, n // 4)]
    return said


def _facts() -> Iterator[_Fact]:
    chance = random.Random(17)
    makers: list[Callable[[random.Random, int], Iterator[_Fact]]] = [
        _customer, _service, _incident, _host, _colleague, _incident, _supplier, _incident,
    ]  # fmt: skip
    for number in count():
        for fact in makers[number % len(makers)](chance, number):
            memory = fact.memory
            yield fact._replace(memory=memory._replace(text=f"{memory.text} {_note(chance)}"))


def _note(chance: random.Random) -> str:
    """Return what such notes hold beside the matter itself."""
    date = f"{chance.randrange(2024, 2027)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    said = chance.choice(_NOTES).format(
        day=chance.choice(_WEEKDAYS), month=chance.choice(_MONTHS), who=chance.choice(_GIVEN), date=date,
        item=chance.randrange(1, 40),
    )  # fmt: skip
    return f"{said}."


def _customer(chance: random.Random, number: int) -> Iterator[_Fact]:
    name, key = f"{_name(chance)} {_name(chance)}", f"customer-{number}"
    trade, city, language = chance.choice(_TRADES), chance.choice(_CITIES), chance.choice(_LANGUAGES)
    form, days = chance.choice(_FORMATS), chance.randrange(7, 91)
    person, account = (
        f"{chance.choice(_GIVEN)} {_name(chance)}",
        f"{chance.choice('ABCDEFGH')}{chance.randrange(10**6):06}",
    )
    month, year = chance.choice(_MONTHS), chance.randrange(2026, 2032)
    verb, _, thing = trade.partition(" ")
    yield _Fact(
        Memory(f"{key}-trade", f"{name} is a family business in {city} that {trade}."), name,
        f"What does {name} do for a living?", "", f"Which client in {city} is {verb.removesuffix('s').removesuffix('e')}ing {thing}?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"{key}-payment", f"{name} pays invoices {days} days after receipt and wants them as {form}."), name,
        f"How long does {name} take to settle its bills?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"{key}-contact", f"The person to talk to at {name} is {person}; account number {account}."), name,
        f"Whom should I call at {name}?", f"account {account}?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"{key}-contract", f"The contract with {name} runs until {month} {year} and is renewed unless cancelled."), name,
        f"When does the agreement of {name} expire?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"{key}-language", f"Write to {name} in {language}; their buyers hardly read English."), name,
        f"In which tongue are letters for {name}?",
    )  # fmt: skip
    for topic in chance.sample(_TOPICS, 5):
        who, call = f"{chance.choice(_GIVEN)} {_name(chance)}", f"C{chance.randrange(10**7):07}"
        yield _Fact(
            Memory(f"{key}-call-{call}", f"Call {call}: {who} of {name} rang about {topic}; we promised an answer."), f"{name} {who}",
            f"What did {who} from {name} want on the phone?", f"call {call}",
        )  # fmt: skip


def _service(chance: random.Random, number: int) -> Iterator[_Fact]:
    name = f"{chance.choice(_SYSTEMS)}-{chance.choice(_PARTS)}-{number}"
    region, day = chance.choice(_REGIONS), chance.choice(_WEEKDAYS)
    version, ticket = (
        f"{chance.randrange(1, 9)}.{chance.randrange(60)}.{chance.randrange(200)}",
        f"CHG-{chance.randrange(10**6):06}",
    )
    owner = f"{chance.choice(_GIVEN)} {_name(chance)}"
    yield _Fact(
        Memory(f"deploy-{number}", f"Release {version} of {name} was deployed to {region} under {ticket}."), f"{name} {region}",
        f"Which build of {name} went out?", ticket,
    )  # fmt: skip
    yield _Fact(
        Memory(f"window-{number}", f"{name} may only be deployed on {day} before noon; {owner} has to agree."), f"{name} {owner}",
        f"Who approves shipping {name}?", "", f"What needs the agreement of {owner} for deploying on a {day}?",
    )  # fmt: skip


def _incident(chance: random.Random, number: int) -> Iterator[_Fact]:
    service = f"{chance.choice(_SYSTEMS)}-{chance.choice(_PARTS)}"
    ident, region = f"INC-{chance.randrange(10**6):06}", chance.choice(_REGIONS)
    cause, cure = chance.choice(_CAUSES), chance.choice(_CURES)
    code, person = f"E{chance.randrange(10**5):05}", f"{chance.choice(_GIVEN)} {_name(chance)}"
    yield _Fact(
        Memory(
            f"incident-{number}",
            f"{ident}: {service} in {region} failed with {code} because {cause}. {person} ended it by {cure}.",
        ),
        f"{service} {person}", f"How did {person} get {service} to work again?", chance.choice((ident, code, f"{ident.lower()} cause")),
        f"failure of the {service} at {region}: {cause.removeprefix('the ').removeprefix('a ')}?",
    )  # fmt: skip


def _host(chance: random.Random, number: int) -> Iterator[_Fact]:
    name, serial = (
        f"{chance.choice(_CITIES).lower()}-db-{chance.randrange(10**4):04}",
        f"{chance.randrange(16**7):07x}",
    )
    rack, disks = f"row {chance.randrange(1, 40)} rack {chance.randrange(1, 60)}", chance.randrange(2, 24)
    yield _Fact(
        Memory(f"host-{number}", f"The machine {name} with serial {serial} stands in {rack} and has {disks} disks."), name,
        f"Where is {name} to be found?", chance.choice((serial, f"serial number {serial}")),
    )  # fmt: skip


def _colleague(chance: random.Random, number: int) -> Iterator[_Fact]:
    name, day = f"{chance.choice(_GIVEN)} {_name(chance)}", chance.choice(_WEEKDAYS)
    dish, city = chance.choice(_DISHES), chance.choice(_CITIES)
    phone = f"+{chance.randrange(30, 50)} {chance.randrange(10**8):08}"
    yield _Fact(
        Memory(f"person-{number}-food", f"{name} is allergic to {dish}; order without at team dinners."), name,
        f"What must {name} not eat?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"person-{number}-away", f"{name} prefers not to be called on {day} and works from {city}."), name,
        f"When should nobody ring {name}?", "", f"Who from {city} prefers no call on a {day}?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"person-{number}-phone", f"On-call phone of {name}: {phone}."), name,
        f"Under which number can {name} be reached at night?", phone.split()[1],
    )  # fmt: skip


def _supplier(chance: random.Random, number: int) -> Iterator[_Fact]:
    name, part = (
        f"{_name(chance)} & Sons",
        f"{chance.choice('KLMNP')}{chance.choice('QRSTV')}-{chance.randrange(10**5):05}",
    )
    city, weeks = chance.choice(_CITIES), chance.randrange(2, 20)
    yield _Fact(
        Memory(f"supplier-{number}-delivery", f"{name} deliver from {city} within {weeks} weeks of an order."), name,
        f"How soon do goods of {name} arrive?",
    )  # fmt: skip
    yield _Fact(
        Memory(f"supplier-{number}-part", f"Part {part} comes from {name} alone; nobody else makes it."), name,
        f"What can be bought from {name} only?", f"part {part}", "",
    )  # fmt: skip


def _name(chance: random.Random) -> str:
    return chance.choice(_FIRST) + chance.choice(_LAST)


def _misspelt(fact: _Fact, chance: random.Random) -> str:
    """Return the question with an error in each word of its name and in a third of the others; some are run together."""
    names = fact.name.split()
    words = [
        _slip(word, chance) if word in names or chance.random() < 1 / 3 else word
        for word in fact.asked.split()
    ]
    if chance.random() < 0.3:
        at = chance.randrange(len(words) - 1)
        words[at : at + 2] = [words[at] + words[at + 1]]
    return " ".join(words)


def _slip(word: str, chance: random.Random) -> str:
    if len(word) < 5:
        return word
    at = chance.randrange(1, len(word) - 2)
    return chance.choice((
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + chance.choice("aeiorstn") + word[at + 1 :],
    ))  # fmt: skip
