// What a search shows of a page begins with its text, not with its buttons and its table of contents.
document.addEventListener('DOMContentLoaded', () => {
  if (typeof Search === 'undefined') return
  const text = Search.htmlToText
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, 'text/html')
    page.querySelectorAll('.bd-header-article, .bd-sidebar-secondary, .prev-next-area, .headerlink, .katex-mathml, script').forEach(e => e.remove())
    return text.call(Search, page.documentElement.outerHTML, anchor)
  }
})
