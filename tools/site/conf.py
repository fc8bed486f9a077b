"Sphinx, for the site: python -m sphinx -c tools/site build/site/src build/site/html"
import html, re, sys
from configparser import ConfigParser
from docutils import nodes
from pathlib import Path
from sphinx.util import logging
sys.path.insert(0, str(Path(__file__).parent))
from katex import Katex
from light import lighten

ROOT = Path(__file__).parents[2]

ini = ConfigParser(delimiters=['=']); ini.read(ROOT/'settings.ini', encoding='utf-8'); cfg = ini['DEFAULT']

project,author,version,copyright = cfg['title'],cfg['author'],cfg['version'],cfg['copyright']
html_title = project
extensions = ['myst_nb','sphinx_copybutton','sphinx_design']
myst_enable_extensions = ['dollarmath','amsmath','colon_fence','deflist','attrs_inline','attrs_block']
myst_heading_anchors = 3
nb_execution_mode = 'off'
nb_render_markdown_format = 'myst'
nb_ipywidgets_js = {}                                    # no kernel behind the site: explorers bring their frames
nb_mime_priority_overrides = [('html', 'text/html', 0), ('html', 'text/markdown', 1)]
suppress_warnings = ['mystnb.unknown_mime_type']
html_math_renderer = 'katex'
copybutton_exclude = '.linenos, .gp, .go'
highlight_language = 'python3'

html_theme = 'sphinx_book_theme'
html_static_path = [str(Path(__file__).parent/'static'), str(ROOT/'build'/'site'/'assets')]
html_css_files = ['katex/katex.min.css','style.css']
html_logo = html_favicon = str(Path(__file__).parent/'static'/'robin.svg')
html_show_sphinx = False
html_context = dict(default_mode='auto')
html_theme_options = dict(
    show_navbar_depth=1, max_navbar_depth=2, show_toc_level=2, home_page_in_toc=False, logo=dict(text=project, alt_text=f'{project}, home'),
    use_download_button=False, use_fullscreen_button=True, use_repository_button=False, use_source_button=False,
    navbar_persistent=[], navbar_start=[], navbar_end=[], pygments_light_style='a11y-high-contrast-light', pygments_dark_style='a11y-high-contrast-dark')
# where the site lies, and where its pages can be run: both from settings.ini, and neither is made up
address = (cfg.get('doc_host') or '') and cfg['doc_host'].rstrip('/') + cfg['doc_baseurl'].rstrip('/') + '/'
html_baseurl = address
repository = (cfg.get('repository_url') or '').rstrip('/')
if repository and not re.fullmatch(r'https://github\.com/[^/]+/[^/]+', repository): raise ValueError(f'settings.ini: repository_url = https://github.com/OWNER/NAME, which Colab and Binder can open, or nothing; got {repository}')
if repository: html_theme_options |= dict(repository_url=repository, repository_branch=cfg['branch'], path_to_docs='nbs', use_repository_button=True)

def group(label, icon, tooltip, *buttons):
    return dict(type='group', label=label, icon=icon, tooltip=tooltip, buttons=[dict(type='link', text=t, url=u, tooltip=why) for t,u,why in buttons])

def buttons(page, to):
    "The buttons above `page`: download it, and run it where `repository_url` lets others open it; without one no button promises that"
    download = group('download-buttons', 'fas fa-download', 'Download this page', ('Notebook', to, "Run it on your machine: pip install 'robin_nb[nbs]', jupyter lab"))
    if not repository: return [download]
    owner,where = repository.removeprefix('https://github.com/'),f"{cfg['branch']}/nbs/{page}.ipynb"
    colab = f'https://colab.research.google.com/github/{owner}/blob/{where}'
    binder = f"https://mybinder.org/v2/gh/{owner}/{cfg['branch']}?urlpath=lab/tree/nbs/{page}.ipynb"
    return [download, group('launch-buttons', 'fas fa-rocket', 'Run this page', ('Colab', colab, 'Run it on Colab; its first line there: !pip install robin_nb'), ('Binder', binder, 'Run it on Binder; the first start takes minutes'))]

katex,logger = Katex(),logging.getLogger(__name__)

def formula(self, node):
    display = isinstance(node, nodes.math_block)
    answer = katex(node.astext(), display)
    if 'error' in answer: logger.warning('%s in the formula %s', answer['error'], node.astext(), location=node)
    self.body.append(self.starttag(node, 'div' if display else 'span', CLASS='math') + answer.get('html', '') + ('</div>' if display else '</span>'))
    raise nodes.SkipNode

def finish(app, exception):
    "The download button hands out the page as it is in the book; the page for wrong addresses works from any depth; nothing unused is loaded"
    if exception or app.builder.name!='html': return
    out = Path(app.outdir)
    for page in (out/'_sources').rglob('*.ipynb'): page.write_bytes((ROOT/'nbs'/page.relative_to(out/'_sources')).read_bytes())
    lost = out/'404.html'
    lost.write_text(lost.read_text(encoding='utf-8').replace('<head>', f'<head><base href="{cfg["doc_baseurl"].rstrip("/")}/">', 1), encoding='utf-8')
    lighten(out)

def head_buttons(app, pagename, templatename, context, doctree):
    "Only pages of the book can be downloaded, or run"
    if (ROOT/'nbs'/f'{pagename}.ipynb').exists(): context['header_buttons'][:0] = buttons(pagename, context['pathto'](f'_sources/{pagename}.ipynb', 1))

def social(app, pagename, templatename, context, doctree):
    "What a search engine or a chat shows of a page: its title, its own one-line question, and its first figure, else the robin"
    lead = next((n.astext() for n in doctree.findall(nodes.paragraph) if 'lead' in n['classes']), None) if doctree else None
    drawn = re.findall(r'_images/[\w.-]+\.png', context.get('body', '')) or ['_static/card.png']
    def at(file): return address + file if address else context['pathto'](file, 1)
    title = re.sub('<[^>]*>', '', context.get('title', '')) or project
    said = dict(type='article', site_name=project, title=html.unescape(title), description=lead or cfg['description'], image=at(drawn[0]))
    if address: said['url'] = at(f'{pagename}.html')
    meta = [f'<meta name="description" content="{html.escape(said["description"])}" />', '<meta name="twitter:card" content="summary_large_image" />',
            *[f'<meta property="og:{k}" content="{html.escape(v)}" />' for k,v in said.items()]]
    context['metatags'] = context.get('metatags', '') + '\n'.join(meta)

def search_page(app, pagename, templatename, context, doctree):
    if pagename=='search':
        for file in ('search-index.js','search.js'): app.add_js_file(file)

def setup(app):
    app.add_html_math_renderer('katex', (formula, None), (formula, None))
    app.connect('html-page-context', head_buttons, priority=600)
    app.connect('html-page-context', social)
    app.connect('html-page-context', search_page, priority=100)
    app.connect('build-finished', finish, priority=900)
