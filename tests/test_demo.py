"The demo's promises that could break without a word: which rows it trains, and what it takes over."
import json, subprocess
import pytest
import demo
from pages import NBS, ROOT

TINY = dict(data='stripes', widths='4,8,16', keep=.3, bs=100, eps='0.05', steps=2, epochs=1, lr=.5,
            quiet=True)
README = json.loads((NBS/'demo'/'table.json').read_text(encoding='utf-8'))

def test_the_quick_edition_finds_ours_first():
    first,*rivals = demo.QUICK
    assert first==demo.OUR_NAME==next(iter(demo.ALL))
    assert len(demo.QUICK) < len(demo.ALL) and demo.RANDOM in rivals
    assert any('clean' in r for r in rivals) and any('bytes' in r for r in rivals)

def test_all_rows_are_those_of_the_readme():
    assert list(demo.ALL)==[r['network'] for r in README['rows']]

@pytest.mark.parametrize('rows', [demo.QUICK, demo.ALL], ids=['quick','all'])
def test_rivals_get_what_ours_gets(rows):
    ours = demo.settings_of(rows[demo.OUR_NAME])
    for name,recipe in rows.items():
        theirs = demo.settings_of(recipe)
        same = ['data','model','bs','eps','norm','steps','every','seed']
        if rows is demo.QUICK or 'clean' not in name: same.append('epochs')
        if 'clean' not in name: same.append('objective')
        assert {k: theirs[k] for k in same}=={k: ours[k] for k in same}, name
    assert rows[demo.RANDOM]==rows[demo.OUR_NAME]

@pytest.mark.parametrize('said,rows', [([], 'quick'), (['ROWS=all'], 'all')])
def test_make_hands_the_rows_on(said, rows):
    make = subprocess.run(['make','-n','demo',*said], cwd=ROOT, capture_output=True, text=True)
    assert f'tools/demo.py --rows {rows}\n' in make.stdout, make.stdout
    assert demo.parse(['--rows', rows]).out.name==dict(quick='demo', all='demo-all')[rows]

def test_other_settings_are_not_taken_over(tmp_path):
    recipe = dict(TINY, train_norm=True)
    report = dict(settings=demo.settings_of(recipe))
    (tmp_path/'report.json').write_text(json.dumps(report))
    assert demo.stored(tmp_path, recipe)==report
    assert demo.stored(tmp_path, dict(recipe, epochs=2)) is None
    assert demo.stored(tmp_path, TINY) is None       # what is no longer said counts too
    assert demo.stored(tmp_path/'nothing', recipe) is None

def test_a_table_from_end_to_end(tmp_path, capsys):
    rows = {demo.OUR_NAME: dict(TINY, train_norm=True), demo.RANDOM: dict(TINY, train_norm=True),
            'dense': dict(TINY, dense=True)}
    demo.table(rows, tmp_path)
    said,table = capsys.readouterr().out,json.loads((tmp_path/'table.json').read_text())
    assert [r['network'] for r in table['rows']]==list(rows)
    ours,control,dense = table['rows']
    assert ours['weights']==control['weights'] < dense['weights']
    assert ours['bytes']==control['bytes']
    first = said[:said.index(demo.RANDOM)]                           # before any rival is named
    for words in ('right under attack', 'PGD-20, 1 restart, Linf eps 0.05', 'seed 0',
                  '1 of 1 epochs', 'validation', 'attacks.png'):
        assert words in first, first
    assert (tmp_path/demo.slug(demo.OUR_NAME)/'attacks.png').exists()
    assert (tmp_path/'result.png').exists()
    reports = [(tmp_path/demo.slug(name)/'report.json') for name in rows]
    before = [r.stat().st_mtime_ns for r in reports]
    demo.table(dict(rows, **{demo.RANDOM: dict(rows[demo.RANDOM], lr=.2)}), tmp_path)
    changed = [r.stat().st_mtime_ns != b for r,b in zip(reports, before)]
    assert changed==[False, True, False]             # only the row of other settings
