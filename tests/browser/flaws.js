// Text whose contrast with what is behind it is below WCAG's AA, controls without a name, tables without headers,
// a page that is wider than the screen. An expression for page.evaluate().
() => {
    const found = [];
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
    const rgb = (text) => {
        canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return rgb(getComputedStyle(document.body).backgroundColor);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
        if (!text || !element.checkVisibility({checkOpacity: true, checkVisibilityCSS: true})) continue;
        if (element.closest('.visually-hidden, script, style, option, svg, [disabled]')) continue;
        const style = getComputedStyle(element), one = light(rgb(style.color)), two = light(behind(element));
        const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) found.push(`contrast ${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
    }
    for (const control of document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a[href]')) {
        const name = control.labels?.length || control.getAttribute('aria-label') || control.value && control.type === 'submit'
            || control.textContent.trim() || control.title || control.getAttribute('aria-labelledby');
        if (!name) found.push(`no name: ${control.outerHTML.slice(0, 80)}`);
    }
    for (const table of document.querySelectorAll('main table')) {
        if (!table.querySelector('th')) found.push('a table without headers');
    }
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) found.push(`wider than the screen by ${root.scrollWidth - root.clientWidth}`);
    return [...new Set(found)];
}
