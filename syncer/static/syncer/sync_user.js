// Of the secrets, shows those that the chosen way to sign in uses.
'use strict';
document.addEventListener('DOMContentLoaded', () => {
    const method = document.getElementById('id_method');
    if (!method) {
        return;
    }
    const update = () => {
        for (const input of document.querySelectorAll('[data-for-methods]')) {
            const used = input.dataset.forMethods.split(' ').includes(method.value);
            input.closest('.form-row').hidden = !used;
        }
        const name = document.getElementById('id_username');
        name.closest('.form-row').hidden = method.value === 'client-credentials';
    };
    method.addEventListener('change', update);
    update();
});
