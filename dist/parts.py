"""The parts of a vpid: a list for programs (CycloneDX 1.5), and their licences for people.

Both follow from Cargo.toml, Cargo.lock and the sources of the crates, in one order, so that they are the same for each
build of a commit.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"^(licen[cs]e|copying|notice|copyright|unlicense)", re.IGNORECASE)


def metadata(target, features):
    """What cargo knows of this program and its crates for a target, as JSON."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target]
    command += ["--no-default-features", "--features", features]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def parts(known):
    """The crates that are compiled for the program or to build it, sorted; none that only tests need."""
    nodes = {node["id"]: node for node in known["resolve"]["nodes"]}
    packages = {package["id"]: package for package in known["packages"]}
    found, waiting = set(), [known["resolve"]["root"]]
    while waiting:
        crate = waiting.pop()
        if crate in found:
            continue
        found.add(crate)
        for dependency in nodes[crate]["deps"]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    found.discard(known["resolve"]["root"])
    root = packages[known["resolve"]["root"]]
    return root, sorted((packages[crate] for crate in found), key=lambda it: (it["name"], it["version"]))


def checksums():
    """SHA-256 of each crate as it comes from the registry, by name and version."""
    text = pathlib.Path("Cargo.lock").read_text(encoding="utf-8")
    found = {}
    for block in text.split("[[package]]"):
        fields = dict(re.findall(r'^(name|version|checksum) = "([^"]*)"$', block, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def component(package, sums):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if package.get("license"):
        # Crates of before 2018 write a slash for OR.
        part["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in sums:
        part["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    return part


def sbom(root, crates):
    sums = checksums()
    program = component(root, sums) | {"type": "application"}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": program},
        "components": [component(crate, sums) for crate in crates],
    }


def licences(crates):
    """Each text once, below the names of its crates."""
    texts = {}
    for crate in crates:
        if crate["source"] is None:
            continue
        name = f"{crate['name']} {crate['version']} ({crate.get('license') or 'see its sources'})"
        folder = pathlib.Path(crate["manifest_path"]).parent
        files = sorted(path for path in folder.iterdir() if path.is_file() and NAMES.match(path.name))
        for path in files:
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            texts.setdefault(text, []).append(name)
        if not files:
            texts.setdefault("", []).append(name)
    blocks = []
    for text, names in texts.items():
        names = list(dict.fromkeys(names))
        blocks.append("\n".join(names) + "\n\n" + (text or "Its package has no file with its licence."))
    line = "\n\n" + "=" * 80 + "\n\n"
    return "vpid contains these crates.\n\n" + line.join(blocks) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("target", "features", "sbom", "licences"):
        parser.add_argument(f"--{option}", required=True)
    options = parser.parse_args()
    root, crates = parts(metadata(options.target, options.features))
    if not crates:
        sys.exit("parts.py: cargo names no crates")
    text = json.dumps(sbom(root, crates), indent=1, ensure_ascii=False) + "\n"
    pathlib.Path(options.sbom).write_text(text, encoding="utf-8")
    pathlib.Path(options.licences).write_text(licences(crates), encoding="utf-8")


if __name__ == "__main__":
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    main()
