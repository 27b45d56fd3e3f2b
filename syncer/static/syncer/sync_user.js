// Shows what the chosen way to sign in needs.
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
    };
    method.addEventListener('change', update);
    update();
});
