"""Django's generic classes with their parameter, which only type checkers know: Django itself can't subscript them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from django.contrib import admin
from django.core.paginator import Paginator
from django.forms import ModelForm

if TYPE_CHECKING:
    AnyModelAdmin: TypeAlias = admin.ModelAdmin[Any]
    AnyModelForm: TypeAlias = ModelForm[Any]
    AnyPaginator: TypeAlias = Paginator[Any]
else:
    AnyModelAdmin, AnyModelForm, AnyPaginator = admin.ModelAdmin, ModelForm, Paginator
