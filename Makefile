# Every target sets itself up: Python 3.11 or newer is all that has to be there.
PYTHON ?= python3
BIN := .venv/bin
SHARED_DATA := $(wildcard ../shared/data)
# Bytecode is kept, whatever the shell says: tests start hundreds of commands, and each would compile the package anew.
PYTEST := OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadgroup
export EMPATHIC_DATA ?= $(if $(SHARED_DATA),$(abspath $(SHARED_DATA)),data)

.PHONY: gate demo check test long servers fuzz lint rivals study bench bench-gpu bench-serve bench-phone strategies questions docs clean

demo: .venv/installed  ## distil, judge and export a real small model
	$(BIN)/empathic demo

check: lint  ## what answers in two minutes: no whole run, no llama.cpp, no download, no browser, no GPU
	$(PYTEST) -m "not slow and not network and not browser and not gpu and not servers and not long"

test: lint  ## everything that CI checks
	$(PYTEST)

long: .venv/installed  ## what takes minutes each: every family of models, runs and a Ray cluster killed, a real teacher (half an hour)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[ray,onnx]'
	$(PYTEST) -m long

servers: .venv/installed  ## real servers of the chat API, each installed into the cache first (half an hour)
	$(BIN)/python -m pytest -m servers -rs tests/servers

fuzz: .venv/installed  ## ten thousand files of any bytes and answers of any JSON, drawn anew
	$(PYTEST) --hypothesis-profile=fuzz -k "any_bytes or any_json or any_text or any_refusal"

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

rivals: demo  ## the demo's models against the ordinary, direct and targeted replies too, all on the 64
	test -d runs/rivals || cp -r runs/demo runs/rivals
	$(BIN)/empathic run demo --out runs/rivals --redo --set name=rivals --set 'sample.systems={sft: null}' \
		--set 'sample.references={ordinary: null, direct: null, targeted: null}'

study: .venv/installed  ## the paper's two claims on a small student (five hours; FULL=1: days); goes on where it was stopped
	$(BIN)/python benchmarks/study.py $(if $(FULL),--full)

bench: .venv/installed  ## examples per second of both steps beside stock TRL and LLaMA-Factory, on this machine (two to three hours; rows are kept as they come)
	$(BIN)/python benchmarks/training.py

bench-gpu: .venv/installed  ## training on a GPU beside stock TRL: whether it is right first, then speed and memory; nothing is begun after seven minutes (without a GPU tiny shapes try the script)
	$(BIN)/python benchmarks/gpu/bench.py

bench-serve: .venv/installed  ## what `empathic serve` bears, and what it costs over llama.cpp alone (ten minutes)
	$(BIN)/python benchmarks/serve.py

bench-phone: .venv/installed  ## how fast every file of the ladder reads and writes here, and what that lets one reckon with on phones
	$(BIN)/python benchmarks/phone.py

strategies: .venv/installed  ## every prompting strategy against direct prompting, with a local teacher
	$(BIN)/python benchmarks/strategies.py

questions: .venv/installed  ## which questions, alone and together, a local judge tells most by (an hour)
	$(BIN)/python benchmarks/questions.py

gate: .venv/installed  ## make the safety gate's data file anew, and its figures (five minutes)
	$(BIN)/empathic safety train --out empathic/data/safety/gate.json
	$(BIN)/empathic safety eval benchmarks/safety/*.jsonl --json > empathic/data/safety/.figures.json
	mv empathic/data/safety/.figures.json empathic/data/safety/figures.json

docs: .venv/installed  ## write the generated parts of the docs anew
	$(BIN)/python docs/generate.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("empathic needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
