"""The finished site made light: scripts and fonts that no page uses go, and of the style sheets the rules for things that are not there.

Font-awesome was 1.5 MB of script for 17 icons, which static/style.css draws; the search brings its own script."""
import re
from pathlib import Path

SCRIPTS = ('fontawesome.js', 'searchtools.js', 'language_data.js', 'searchindex.js', 'sphinx_highlight.js', 'design-tabs.js')
GONE = ('*.map', 'fontawesome.js*', 'searchtools.js', 'language_data.js', '*stemmer.js', 'searchindex.js', 'sphinx_highlight.js',
        'design-tabs.js', 'fa-*.woff2', 'locales', 'sbt-webpack-macros.html')
PLAIN = r'<span class="(?:n|p|w)">([^<]*)</span>'                      # names and brackets in code, of the colour of all text: half of a page
LIVE = r'show|fade|collaps|tooltip|bs-tooltip|dropdown|disabled'       # classes that the theme's scripts give and take away

def blocks(css):
    "(head, body) of each rule of `css`; a statement without a body has None"
    at,depth,start,head = 0,0,0,''
    for m in re.finditer(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{};]', css):
        if m[0]=='{':
            if depth==0: head,start = css[at:m.start()],m.end()
            depth += 1
        elif m[0]=='}':
            depth -= 1
            if depth==0:
                yield head.strip(),css[start:m.start()]
                at = m.end()
        elif m[0]==';' and depth==0:
            yield css[at:m.start()].strip(),None
            at = m.end()

def used(selector, classes):
    "Can `selector` find anything, if these are the classes of the site?"
    plain = re.sub(r':(?:not|is|where|has)\((?:[^()]|\([^()]*\))*\)', '', selector)
    return all(c in classes or re.match(LIVE, c) for c in re.findall(r'\.(-?[A-Za-z_][\w-]*)', plain))

def lightened(css, classes):
    "`css` without rules for classes that are not among `classes`, and without font-awesome's fonts"
    kept = []
    for head,body in blocks(re.sub(r'/\*.*?\*/', '', css, flags=re.S)):
        if body is None: kept.append(f'{head};')
        elif head.startswith(('@media','@supports','@layer','@container')):
            if inner := lightened(body, classes): kept.append(f'{head}{{{inner}}}')
        elif head.startswith('@font-face') and 'fontawesome' in body: continue
        elif head.startswith('@'): kept.append(f'{head}{{{body}}}')
        else:
            selectors = re.split(r',(?![^()]*\))', head)
            if found := [s for s in selectors if used(s, classes)]: kept.append(f'{",".join(found)}{{{body}}}')
    return ''.join(kept)

def lighten(out):
    "Make the site in folder `out` light"
    static,classes = out/'_static',set()
    script = r'\s*<script\b[^>]*\bsrc="[^"]*(?:{})(?:\?[^"]*)?"[^>]*></script>'.format('|'.join(map(re.escape, SCRIPTS)))
    for page in out.rglob('*.html'):
        html = page.read_text(encoding='utf-8')
        page.write_text(re.sub(PLAIN, r'\1', re.sub(script, '', html)), encoding='utf-8')
        for found in re.findall(r'\bclass="([^"]*)"', html): classes |= set(found.split())
    for pattern in GONE:
        for file in [*out.glob(pattern), *static.rglob(pattern)]:
            if file.is_file(): file.unlink()
    for file in static.rglob('*.js'):
        if file.name not in ('bootstrap.js', 'search-index.js'): classes |= set(re.findall(r'[A-Za-z_][\w-]*', file.read_text(encoding='utf-8')))
    for file in static.rglob('*.css'):
        if file.name != 'style.css': file.write_text(lightened(file.read_text(encoding='utf-8'), classes), encoding='utf-8')
