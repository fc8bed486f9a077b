"The program of the page Play, by node: the same numbers as PyTorch. (The widget, in a browser: tests/browser/test_play.py.)"
import json, re, shutil, subprocess
import pytest, torch
from pages import NBS, code_cells, read
from play_by_torch import ANSWERS, JS, NETWORKS, PLAY, X, check, library, questions

NODE = shutil.which('node')
needs_node = pytest.mark.skipif(NODE is None, reason='no node: install nodejs, which make docs needs too')

def ask(asked):
    "What node answers to `asked`"
    program = (f"require({json.dumps(str(JS))})\nconst [page, questions] = JSON.parse(require('fs').readFileSync(0))\n"
               f"console.log(JSON.stringify(({ANSWERS})(page, questions)))")
    r = subprocess.run([NODE, '-e', program], input=json.dumps([PLAY, asked]), capture_output=True, text=True)
    assert r.returncode==0, r.stderr
    return json.loads(r.stdout)

@needs_node
@pytest.mark.parametrize('j', NETWORKS)
def test_numbers_are_those_of_torch(j): check(j, ask)

@needs_node
def test_twenty_steps_take_less_than_half_a_second():
    for j in NETWORKS:
        quickest = min(a['ms'] for a in ask(questions(j, torch.zeros_like(X), 20)[:3]))
        assert quickest < 500, f"{PLAY['networks'][j]['name']}: {quickest:.0f} ms"

@needs_node
def test_a_start_is_in_the_ball_and_the_same_again():
    program = f"""require({json.dumps(str(JS))})
      const x = Float32Array.from({{length: 784}}, (_, j) => j%5/4), d = s => Array.from(robinPlay.start(x, .1, s))
      console.log(JSON.stringify([Array.from(x), d(0), d(0), d(1)]))"""
    r = subprocess.run([NODE, '-e', program], capture_output=True, text=True)
    x,d,again,other = torch.tensor(json.loads(r.stdout))
    assert d.equal(again) and not d.equal(other)
    assert d.abs().max() < .1001 and d.abs().mean() > .03 and (x+d).min() >= 0 and (x+d).max() <= 1

def test_the_program_can_be_read():
    lines = JS.read_text(encoding='utf-8').splitlines()
    assert len(lines) <= 250 and max(map(len, lines)) <= 100, (len(lines), max(map(len, lines)))
    frame = JS.with_suffix('.html').read_text(encoding='utf-8')
    assert not re.search(r'https?:|//cdn|fetch\(|import\b|eval\(|XMLHttp|new Function', '\n'.join(lines)+frame)

def test_the_file_is_small_and_honest():
    "Every class has a picture; ours is kept as bits; what is told of a network is true of its numbers"
    assert (NBS/'demo'/'play.json').stat().st_size < 250_000
    assert len(PLAY['pictures'])==12 and set(PLAY['labels'])==set(range(10))
    for j in NETWORKS:
        net,told = library(j), PLAY['networks'][j]
        weights = [m.weight for m in (net.conv1, net.conv2, net.conv3, net.fc)]
        assert sum(int(w.count_nonzero()) for w in weights)==told['weights']
        signs = all(w.abs().unique().tolist() in ([0,1], [1]) for w in weights)
        assert signs==('ours' in told['name'])==all('places' in l for l in told['layers'])
        assert all(len(r['right'])==1000 and r['protocol'] for r in told['results'].values())

def test_the_page_holds_what_lies_beside_it():
    "Outputs are told by the code that made them, which reads these files: when one changes, run the page"
    outputs = [o for c in code_cells(read(NBS/'explanations'/'play.ipynb')) for o in c['outputs']]
    html = next(h for o in outputs if 'class="play"' in (h := ''.join(o.get('data', {}).get('text/html', ''))))
    frame = JS.with_suffix('.html').read_text(encoding='utf-8')
    assert html==frame.replace('PROGRAM', JS.read_text(encoding='utf-8')).replace('NETWORKS', json.dumps(PLAY)), \
        'run tools/run_pages.py nbs/explanations/play.ipynb'
