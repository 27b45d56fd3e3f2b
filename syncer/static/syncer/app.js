// On every page: the browser's time zone for the server, the menu on small screens, buttons that are pressed once.
'use strict';
{
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone) {
        const secure = location.protocol === 'https:' ? '; Secure' : '';
        document.cookie = `timezone=${encodeURIComponent(zone)}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    }

    document.documentElement.classList.add('has-script');

    const button = document.querySelector('.menu-button');
    const menu = document.getElementById('main-menu');
    if (button && menu) {
        const open = (yes) => {
            button.setAttribute('aria-expanded', String(yes));
            menu.classList.toggle('is-open', yes);
        };
        button.addEventListener('click', () => open(button.getAttribute('aria-expanded') !== 'true'));
        document.addEventListener('keydown', (event) => {
            if (event.key === 'Escape' && menu.classList.contains('is-open')) {
                open(false);
                button.focus();
            }
        });
    }

    // Wide tables scroll by themselves; with the keyboard, too.
    for (const area of document.querySelectorAll('.results, .scroll')) {
        if (area.scrollWidth > area.clientWidth && !area.hasAttribute('tabindex')) {
            area.tabIndex = 0;
            area.setAttribute('role', 'region');
            area.setAttribute('aria-label', 'Table');
        }
    }

    // A small menu closes with Escape, and when something else is pressed.
    for (const small of document.querySelectorAll('details.menu')) {
        document.addEventListener('click', (event) => {
            small.open = small.open && small.contains(event.target);
        });
        small.addEventListener('keydown', (event) => {
            if (event.key === 'Escape' && small.open) {
                small.open = false;
                small.querySelector('summary').focus();
            }
        });
    }

    // A form that takes a while says so, and is not sent twice. The buttons are back after the Back button.
    const busy = (form, yes) => {
        for (const one of form.querySelectorAll('button[type=submit]')) {
            if (yes) {
                one.dataset.label = one.textContent;
                one.textContent = form.dataset.once || one.textContent;
            } else if (one.dataset.label) {
                one.textContent = one.dataset.label;
            }
            one.disabled = yes;
        }
    };
    const once = document.querySelectorAll('form[data-once]');
    for (const form of once) {
        form.addEventListener('submit', () => setTimeout(() => busy(form, true)));
    }
    window.addEventListener('pageshow', (event) => {
        if (event.persisted) {
            once.forEach((form) => busy(form, false));
        }
    });
}
