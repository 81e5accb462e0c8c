"""Fails unless every test marked `browser` ran: `browser_tests_ran.py JUNIT_XML`.

A browser that cannot start makes its tests skip, and a suite that skips is green.
"""

import subprocess
import sys
from xml.etree import ElementTree as ET


def marked_tests() -> set[tuple[str, str]]:
    """All tests marked `browser`, each as (class name, name) the way JUnit writes them."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "browser", "-p", "no:randomly"],
        check=False,
        capture_output=True,
        text=True,
    )
    return {_as_junit(line) for line in listed.stdout.splitlines() if "::" in line}


def executed_tests(junit: str) -> set[tuple[str, str]]:
    """The tests in the report that were not skipped."""
    cases = ET.parse(junit).iter("testcase")  # noqa: S314 - our own test run wrote it
    return {
        (case.get("classname", ""), case.get("name", "")) for case in cases if case.find("skipped") is None
    }


def main() -> None:
    """Compares what is marked with what ran."""
    marked = marked_tests()
    if not marked:
        sys.exit("no test is marked `browser`")
    if missing := marked - executed_tests(sys.argv[1]):
        names = "\n".join(sorted(f"  {module}::{name}" for module, name in missing))
        sys.exit(f"{len(missing)} of {len(marked)} browser tests did not run:\n{names}")
    sys.stdout.write(f"all {len(marked)} browser tests ran\n")


def _as_junit(node_id: str) -> tuple[str, str]:
    path, _, rest = node_id.partition("::")
    name, bracket, parameters = rest.partition("[")
    *classes, function = name.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *classes]), function + bracket + parameters


if __name__ == "__main__":
    main()
