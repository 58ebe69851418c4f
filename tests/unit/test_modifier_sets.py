"""The shipped modifier sets: complete, readable, and naming no class."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from benchmark.config import parse
from benchmark.data.archives import open_archive
from benchmark.data.class_names import readable_names
from benchmark.data.imagenet100_lists import NAMES
from benchmark.data.sets.cifar import Cifar
from benchmark.generation.modifiers import fault, names_class
from benchmark.generation.prompts import clashes, load_modifiers, modifier_names, prompt_spec
from benchmark.generation.trainer.captions import SCALES
from synaug.embedded.fonts import DIGITS, MODIFIERS
from tests.house import ROOT

FOLDER = os.environ.get("SYNAUG_BENCH_TEST_DATA")
SHIPPED = ROOT / "synaug" / "modifiers"
GENERAL = {"digits", "general", "looks"}
# first synonyms of Tiny-ImageNet's words.txt, in the order of its WordNet ids
TINY = """
goldfish, European fire salamander, bullfrog, tailed frog, American alligator, boa constrictor,
trilobite, scorpion, black widow, tarantula, centipede, goose, koala, jellyfish, brain coral, snail,
slug, sea slug, American lobster, spiny lobster, black stork, king penguin, albatross, dugong,
Chihuahua, Yorkshire terrier, golden retriever, Labrador retriever, German shepherd, standard
poodle, tabby, Persian cat, Egyptian cat, cougar, lion, brown bear, ladybug, fly, bee, grasshopper,
walking stick, cockroach, mantis, dragonfly, monarch, sulphur butterfly, sea cucumber, guinea pig,
hog, ox, bison, bighorn, gazelle, Arabian camel, orangutan, chimpanzee, baboon, African elephant,
lesser panda, abacus, academic gown, altar, apron, backpack, bannister, barbershop, barn, barrel,
basketball, bathtub, beach wagon, beacon, beaker, beer bottle, bikini, binoculars, birdhouse, bow
tie, brass, broom, bucket, bullet train, butcher shop, candle, cannon, cardigan, cash machine, CD
player, chain, chest, Christmas stocking, cliff dwelling, computer keyboard, confectionery,
convertible, crane, dam, desk, dining table, drumstick, dumbbell, flagpole, fountain, freight car,
frying pan, fur coat, gasmask, go-kart, gondola, hourglass, iPod, jinrikisha, kimono, lampshade,
lawn mower, lifeboat, limousine, magnetic compass, maypole, military uniform, miniskirt, moving van,
nail, neck brace, obelisk, oboe, organ, parking meter, pay-phone, picket fence, pill bottle,
plunger, pole, police van, poncho, pop bottle, potter's wheel, projectile, punching bag, reel,
refrigerator, remote control, rocking chair, rugby ball, sandal, school bus, scoreboard, sewing
machine, snorkel, sock, sombrero, space heater, spider web, sports car, steel arch bridge,
stopwatch, sunglasses, suspension bridge, swimming trunks, syringe, teapot, teddy, thatch, torch,
tractor, triumphal arch, trolleybus, turnstile, umbrella, vestment, viaduct, volleyball, water jug,
water tower, wok, wooden spoon, comic book, plate, guacamole, ice cream, ice lolly, pretzel, mashed
potato, cauliflower, bell pepper, mushroom, orange, lemon, banana, pomegranate, meat loaf, pizza,
potpie, espresso, alp, cliff, coral reef, lakeside, seashore, acorn
"""


def _cifar(classes: int) -> tuple[str, ...]:
    """Readable names as the card of the shipped configuration has them."""
    values = yaml.safe_load((ROOT / "configs" / "dataset" / f"cifar{classes}lt.yaml").read_text())
    del values["dataset"]["kind"]
    return Cifar(parse(Cifar.Config, values["dataset"], "dataset")).card().classes


CLASSES: dict[str, Sequence[str]] = {
    "digits_classes": DIGITS,
    "cifar10": _cifar(10),
    "cifar100": _cifar(100),
    "imagenet100": NAMES,
    "tinyimagenet": [" ".join(name.split()) for name in TINY.split(",")],
}
# data set file -> the set that it names
CHOSEN = {
    "cifar10lt": "cifar10",
    "cifar100lt": "cifar100",
    "imagenet100lt": "imagenet100",
    "tinyimagenetlt": "tinyimagenet",
    "digitslt": "digits",
    "digitslt100": "digits",
}
SETS = pytest.mark.parametrize("name", sorted(CLASSES))


def test_every_shipped_set_is_tested() -> None:
    assert set(modifier_names(SHIPPED)) == GENERAL | set(CLASSES)


def test_tiny_imagenet_has_its_200_classes() -> None:
    assert len(set(CLASSES["tinyimagenet"])) == 200


@SETS
def test_a_set_covers_its_classes_exactly_with_twelve_words_each(name: str) -> None:
    words = load_modifiers(name, SHIPPED)
    assert list(words.classes) == list(CLASSES[name])
    assert {len(own) for own in words.classes.values()} == {12}
    assert (words.words, words.knowledge) == ((), ("llm-modifiers",))


@SETS
def test_prompts_are_unique_over_the_data_set(name: str) -> None:
    classes = CLASSES[name]
    spec = prompt_spec("a photo of {modifier} {class}", load_modifiers(name, SHIPPED), classes)
    assert clashes(spec, classes) == {}
    assert len(spec.class_modifiers) == len(classes)


@SETS
def test_modifiers_are_plain_lower_case_and_name_no_class(name: str) -> None:
    words = load_modifiers(name, SHIPPED)
    bad = {
        (label, word): fault(word, CLASSES[name])
        for label, own in words.classes.items()
        for word in own
        if fault(word, CLASSES[name]) or word != word.lower()
    }
    assert bad == {}


@SETS
def test_each_class_is_one_line_and_written_once(name: str) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    lines = re.findall(r"^  ([^\n]+): \[", text, re.MULTILINE)
    assert lines == list(CLASSES[name])


def test_digit_words_are_words_the_embedded_generator_knows_and_opposites_never_meet() -> None:
    known = {word for words in MODIFIERS.values() for word in words}
    opposites = [{"bold", "thin"}, {"slanted", "leaning"}, {"large", "small"}, {"wide", "narrow"}]
    for own in load_modifiers("digits_classes", SHIPPED).classes.values():
        for modifier in own:
            words = set(modifier.split())
            assert words <= known
            assert not any(pair <= words for pair in opposites)


def test_the_words_of_looks_are_those_that_captions_are_made_of() -> None:
    known = {word for pair in SCALES.values() for word in pair}
    for modifier in load_modifiers("looks", SHIPPED).words:
        own = set(modifier.split())
        assert own <= known
        assert not any(set(pair) <= own for pair in SCALES.values())


@pytest.mark.parametrize(("dataset", "name"), CHOSEN.items())
def test_data_set_files_name_their_set(dataset: str, name: str) -> None:
    values = yaml.safe_load((ROOT / "configs" / "dataset" / f"{dataset}.yaml").read_text())
    assert values["modifiers"] == name


def test_committed_records_depend_on_these_words() -> None:
    assert load_modifiers("digits", SHIPPED).hash == "6fbee4f60cef"
    assert load_modifiers("general", SHIPPED).hash == "81f66fe220f4"


@pytest.mark.parametrize(
    ("modifier", "class_name", "expected"),
    [
        ("orange-and-black", "orange", True),
        ("muddy off-road", "road", True),
        ("old oak trees", "oak tree", True),
        ("cloudy", "cloud", False),
        ("tanned", "tan", False),
        ("big buses", "bus", True),
        ("PINE-TREE", "pine tree", True),
    ],
)
def test_whole_words_and_plurals_name_a_class(
    modifier: str, class_name: str, expected: bool
) -> None:
    assert names_class(modifier, class_name) is expected


@pytest.mark.skipif(not FOLDER, reason="SYNAUG_BENCH_TEST_DATA is not set")
def test_classes_of_the_real_archive_are_in_the_set() -> None:
    with open_archive(Path(str(FOLDER)) / "tiny-imagenet-100.zip") as archive:
        found = readable_names(archive, "")
    assert len(found) == 100
    assert set(found.values()) < set(CLASSES["tinyimagenet"])
