"""What the search of the site knows: each page by its headings, and each public name, in words that a reader would type.

`places` reads the staged pages, `static/search.js` ranks what it found. Prose is what an excerpt shows; of code and tables, which
nobody wants to read in an excerpt, only the words are kept."""
import json, re
from collections import Counter

GREEK = dict(delta='δ', epsilon='ε', varepsilon='ε', alpha='α', le='≤', ge='≥', pm='±', times='×', cdot='·', sum='Σ', odot='⊙', infty='∞')

def formula(m):
    "A formula in a line, as it can be typed"
    tex = re.sub(r'\\([a-z]+)', lambda t: GREEK.get(t[1], ''), m[1])
    return re.sub(r'\\[,;! ]|[\\{}^]', '', tex).replace('__', '_').strip()

def prose(src):
    "Markdown as a reader sees it: no code blocks, tables, formulas of their own, links' addresses or marks"
    src = re.sub(r'^```.*?^```|^:{3,}.*?$|^\|.*?$|\$\$.*?\$\$|<span.*?</span>|<[^>]*>|^\(.*\)=$|\{\.?[a-z]+\}', ' ', src, flags=re.S|re.M)
    src = re.sub(r'\$([^$\n]+)\$', formula, src)
    for _ in range(2):                                               # a link in a link: a name in the words of one
        src = re.sub(r'!?\[([^][]*)\]\([^)]*\)', r'\1', src)
    src = re.sub(r'[`*]|^#+ |^> |^[-+] ', '', src, flags=re.M)
    return ' '.join(src.split())

def words(src, seen):
    "The words of code or of a table that are not in the set `seen` yet; now they are"
    new = [w for w in dict.fromkeys(re.findall(r'[A-Za-z][A-Za-z0-9_]{2,}', src)) if w not in seen]
    seen |= set(new)
    return ' '.join(new)

def anchor_of(heading):
    "The address that Sphinx gives a heading"
    return re.sub(r'[^a-z0-9]+', '-', heading.lower().encode('ascii', 'ignore').decode()).strip('-')

def sections(cells):
    "[heading, anchor, prose, words of code] for the part above the first heading and for each part below one"
    found = [['', '', [], []]]
    for kind,src,outputs in cells:
        if kind=='code':
            tables = [''.join(o.get('data', {}).get('text/markdown', '')) for o in outputs]
            found[-1][3] += [src, *tables]
            continue
        for j,part in enumerate(re.split(r'^## +(.+)$', src, flags=re.M)):
            if j%2:
                heading = prose(part)
                found.append([heading, anchor_of(heading), [], []])
            else:
                found[-1][2].append(prose(part))
                found[-1][3] += re.findall(r'^\|.*$', part, re.M)
    seen = set(re.findall(r'\w+', ' '.join(f'{h} {" ".join(p)}' for h,_,p,_ in found)))
    return [[h, a, ' '.join(p).strip(), words(' '.join(c), seen)] for h,a,p,c in found]

def page(name, title, lead, cells):
    "A page of the book as the search knows it"
    return dict(kind='page', at=f'{name}.html', title=title, lead=prose(lead), parts=sections(cells))

def entry(name, module, anchor, doc, code):
    "A public name as the search knows it"
    return dict(kind='name', at=f'api/{module}.html#{anchor}', title=name, lead=f'robin_nb.{module}', parts=[['', '', prose(doc), words(code, set(doc.split()))]])

def write(places, file):
    """The index as a script, so that a search works from a folder on a disk, too.
    Words of code that stand in many places lead nowhere"""
    common = Counter(w for place in places for part in place['parts'] for w in part[3].split())
    for place in places:
        for part in place['parts']: part[3] = ' '.join(w for w in part[3].split() if common[w] <= 4)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"var BOOK = {json.dumps(places, ensure_ascii=False, separators=(',', ':'))}\n", encoding='utf-8')
