"""Run pages from top to bottom in a kernel, and save what they printed and drew:  run_pages.py [--fold] [PAGE ...]

Without a page: those whose code changed since their outputs were saved. A page carries the hash of the code that ran in its metadata
(`ran`), so that outputs can be told from leftovers. Cells with `#| code-fold: true` are saved folded for JupyterLab;
--fold does only that, to all pages or to those named."""
import hashlib, json, os, re, sys, time
from pathlib import Path

NBS = Path(__file__).parents[1]/'nbs'

def book():
    "The pages: all notebooks but hidden ones, drafts (_name) and checkpoints"
    return sorted(p for p in NBS.rglob('*.ipynb') if not any(part.startswith(('.', '_')) for part in p.relative_to(NBS).parts))

def text(s): return ''.join(s)
def code(nb): return [c for c in nb['cells'] if c['cell_type']=='code']
def body(src): return '\n'.join(l for l in src.splitlines() if not l.startswith('#|'))
def stamp(nb):
    "The hash of what a page runs: its code, and the package too if the page reads the package's source"
    parts = [body(text(c['source'])) for c in code(nb)]
    if any('robin_nb.__path__' in p for p in parts): parts += [f.read_text(encoding='utf-8') for f in sorted((NBS.parent/'robin_nb').glob('[!_]*.py'))]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()[:16]
def changed(nb): return nb['metadata'].get('ran') != stamp(nb)

def fold(nb):
    """Fold the cells of `nb` that say `#| code-fold: true`, and no others, in JupyterLab.
    Of a folded cell it shows the first line, so that has to be the summary."""
    for c in code(nb):
        lines = text(c['source']).splitlines(True)
        head = [l for l in lines if l.startswith('#|')]
        if '#| code-fold: true' not in map(str.strip, head):
            hidden = c['metadata'].get('jupyter', {})
            hidden.pop('source_hidden', None)
            if not hidden:
                c['metadata'].pop('jupyter', None)
            continue
        c['metadata'].setdefault('jupyter', {})['source_hidden'] = True
        summary = [l for l in head if l.startswith('#| code-summary:')]
        c['source'] = summary + [l for l in lines if l not in summary]

def failure(nb):
    "(cell, what happened) of the first cell that failed, or None"
    for j,c in enumerate(nb['cells']):
        for o in c.get('outputs', []):
            if o['output_type']=='error': return j,f"{o['ename']}: {o['evalue']}"

def _is_bar(output): return re.match(r'\s*\d+%\|', text(output.get('data', {}).get('text/plain', '')))
def _lighten(nb):
    "Of the saved state of widgets, only what is shown, without what is so by default; no bars, which have gone"
    for c in code(nb): c['outputs'] = [o for o in c['outputs'] if not _is_bar(o)]
    shown = re.findall(r'"model_id": "(\w+)"', json.dumps([c.get('outputs') for c in nb['cells']]))
    for kept in nb['metadata'].get('widgets', {}).values():
        models,todo,keep = kept['state'],list(shown),{}
        while todo:
            name = todo.pop()
            if name in keep or name not in models: continue
            keep[name] = models[name] | dict(state={k: v for k,v in models[name]['state'].items() if v is not None})
            todo += re.findall(r'IPY_MODEL_(\w+)', json.dumps(keep[name]))
        kept['state'] = keep

def run(page):
    "`page` as it is after a run in a fresh kernel, stamped; a cell that fails ends it"
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    nb = nbformat.read(page, as_version=4)
    try: NotebookClient(nb, timeout=600, coalesce_streams=True, extra_arguments=['--log-level=ERROR'], resources=dict(metadata=dict(path=str(page.parent)))).execute()
    except CellExecutionError: pass                                  # `failure` finds it
    except (CellTimeoutError, DeadKernelError) as e: return dict(cells=[dict(outputs=[dict(output_type='error', ename=type(e).__name__, evalue=str(e).splitlines()[0])])])
    nb = json.loads(nbformat.writes(nb))
    _lighten(nb)
    fold(nb)
    if not failure(nb): nb['metadata']['ran'] = stamp(nb)
    return nb

def save(nb, page):
    page.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + '\n', encoding='utf-8', newline='\n')

def main(pages):
    if '--fold' in pages:
        for page in [Path(p) for p in pages if p != '--fold'] or book():
            nb = json.loads(page.read_text(encoding='utf-8'))
            fold(nb)
            save(nb, page)
        return
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    pages = [Path(p) for p in pages] or [p for p in book() if changed(json.loads(p.read_text(encoding='utf-8')))]
    bad = []
    for page in pages:
        t,nb = time.time(),run(page)
        if f := failure(nb): bad.append(f'{page.name}, cell {f[0]}: {f[1]}'); continue           # the page stays as it was
        save(nb, page)
        print(f"{page.name}: {time.time()-t:.0f} s, {page.stat().st_size/1024:.0f} kB", flush=True)
    if bad: sys.exit('\n'.join(bad))

if __name__=='__main__': main(sys.argv[1:])
